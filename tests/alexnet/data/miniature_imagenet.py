"""A tiny ImageNet in every form in which people have the real one."""

import functools
import io
import json
import tarfile

import numpy as np
import pyarrow
from PIL import Image
from pyarrow import parquet
from scipy.io import savemat

# Synset, words, and the number in the development kit, which is not in the order of the synsets.
CLASSES = [
    ("n01440764", "tench, Tinca tinca", 4),
    ("n01443537", "goldfish, Carassius auratus", 1),
    ("n02099601", "golden retriever", 5),
    ("n03445777", "golf ball", 2),
    ("n04146614", "school bus", 3),
]
SYNSETS = [synset for synset, _, _ in CLASSES]
# Numbers of a class's training images: sorted as text, not as numbers.
TRAIN_NUMBERS = [10, 1000, 9, 10026]
# Class of each validation image.
VALIDATION_CLASSES = [3, 0, 4, 4, 1, 2, 0, 1, 3, 2]
DEVKIT = "ILSVRC2012_devkit_t12"


def jpeg(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), np.uint8)
    contents = io.BytesIO()
    Image.fromarray(pixels).resize((20, 16)).save(contents, "JPEG")
    return contents.getvalue()


def train_images():
    """Synset -> file name -> contents, in the order of the original tar files, which is none."""
    images = {}
    for i, synset in enumerate(SYNSETS):
        images[synset] = {f"{synset}_{n}.JPEG": jpeg([i, n]) for n in TRAIN_NUMBERS}
    return dict(reversed(images.items()))


def validation_images():
    """File name -> contents."""
    count = len(VALIDATION_CLASSES)
    return {f"ILSVRC2012_val_{i:08d}.JPEG": jpeg([100, i]) for i in range(count, 0, -1)}


def validation_synset(name):
    return SYNSETS[VALIDATION_CLASSES[int(name[15:23]) - 1]]


def pack(members):
    """A tar, as bytes, of (name or TarInfo, contents)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for member, contents in members:
            if isinstance(member, str):
                member = tarfile.TarInfo(member)
                member.size = len(contents)
            tar.addfile(member, io.BytesIO(contents))
    return file.getvalue()


def write_files(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, contents in files.items():
        (folder / name).write_bytes(contents)


@functools.cache  # it holds the time at which it was made
def meta_mat():
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children"]
    fields += ["wordnet_height", "num_train_images"]
    inner = [("n00001740", "entity", 6), ("n00021939", "artifact", 7)]
    table = np.empty((len(CLASSES) + len(inner), 1), [(field, object) for field in fields])
    leaves = sorted(CLASSES, key=lambda entry: entry[2])
    for i, (synset, words, number) in enumerate(leaves + inner):
        children = np.array([1, 2]) if (synset, words, number) in inner else np.empty((1, 0))
        gloss = f"what {words} is"
        table[i, 0] = (number, synset, words, gloss, children.size, children, 3, len(TRAIN_NUMBERS))
    contents = io.BytesIO()
    savemat(contents, {"synsets": table})
    return contents.getvalue()


def devkit_files():
    numbers = [CLASSES[i][2] for i in VALIDATION_CLASSES]
    truth = "".join(f"{number}\n" for number in numbers).encode()
    return {"meta.mat": meta_mat(), "ILSVRC2012_validation_ground_truth.txt": truth}


def write_devkit_folder(root):
    write_files(root / DEVKIT / "data", devkit_files())


def write_devkit_archive(root, files=None):
    folder = tarfile.TarInfo(f"{DEVKIT}/data/")
    folder.type = tarfile.DIRTYPE
    files = devkit_files() if files is None else files
    members = [(f"{DEVKIT}/readme.txt", b"read me"), (folder, b"")]
    members += [(f"{DEVKIT}/data/{name}", contents) for name, contents in files.items()]
    with tarfile.open(root / f"{DEVKIT}.tar.gz", "w:gz") as tar:
        for member, contents in members:
            if isinstance(member, str):
                member = tarfile.TarInfo(member)
                member.size = len(contents)
            tar.addfile(member, io.BytesIO(contents))


def train_tar():
    return pack(
        (f"{synset}.tar", pack(images.items())) for synset, images in train_images().items()
    )


def write_train_tar(root):
    write_files(root, {"ILSVRC2012_img_train.tar": train_tar()})


def write_validation_tar(root):
    write_files(root, {"ILSVRC2012_img_val.tar": pack(validation_images().items())})


def write_train_folders(root):
    for synset, images in train_images().items():
        write_files(root / "train" / synset, images)


def write_flat_validation(root):
    write_files(root / "val", validation_images())


def write_kaggle(root):
    """The form of the competition "ImageNet Object Localization Challenge"."""
    folder = root / "ILSVRC" / "Data" / "CLS-LOC"
    write_train_folders(folder)
    write_flat_validation(folder)
    write_files(folder / "test", {"ILSVRC2012_test_00000001.JPEG": jpeg(0)})
    write_files(root / "ILSVRC" / "Annotations" / "CLS-LOC" / "val", {"1.xml": b""})
    lines = [
        f"{name.removesuffix('.JPEG')},{validation_synset(name)} 1 2 30 40 {i} 6 7 8 "
        for i, name in enumerate(validation_images())
    ]
    text = "\n".join(["ImageId,PredictionString", *lines, ""])
    write_files(root, {"LOC_val_solution.csv": text.encode()})


def write_validation_folders(root):
    for name, contents in validation_images().items():
        write_files(root / "val" / validation_synset(name), {name: contents})


def write_parquet(root, classes=CLASSES, row_group_size=4, plain=False):
    """Two files for training and one for validation; the classes have their place in `classes`."""
    synsets = [synset for synset, _, _ in classes]
    train = [
        (contents, synset)
        for synset, images in train_images().items()
        for contents in images.values()
    ]
    validation = [
        (contents, validation_synset(name)) for name, contents in validation_images().items()
    ]
    parts = {
        "train-00000-of-00002": train[::2],
        "train-00001-of-00002": train[1::2],
        "validation-00000-of-00001": validation,
    }
    for name, rows in parts.items():
        table = image_table(
            [contents for contents, _ in rows],
            [synsets.index(synset) for _, synset in rows],
            [words for _, words, _ in classes],
            plain,
        )
        root.mkdir(exist_ok=True)
        parquet.write_table(table, root / f"{name}.parquet", row_group_size=row_group_size)


def image_table(images, labels, names=None, plain=False):
    """A table as Hugging Face writes it; plain is without metadata, and images just bytes."""
    if plain:
        return pyarrow.table({"image": pyarrow.array(images, "binary"), "label": labels})
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    column = [{"bytes": contents, "path": f"{i}.JPEG"} for i, contents in enumerate(images)]
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": names}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pyarrow.table({"image": pyarrow.array(column, kind), "label": labels})
    return table.replace_schema_metadata(metadata)
