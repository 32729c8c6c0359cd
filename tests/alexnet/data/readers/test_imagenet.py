"""ImageNet in all its forms: the same samples come out of each, and damage is told in one line."""

import functools
import io
import os
import random
import sys
import tarfile

import numpy as np
import pytest

from alexnet.data import load, recognize
from alexnet.data.readers import imagenet_devkit, imagenet_tar
from alexnet.errors import BadImage, DataError
from tests.alexnet.data import miniature_imagenet as mini

TRAIN_TAR, VALIDATION_TAR = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
FORMS = {
    "tars": (mini.write_train_tar, mini.write_validation_tar, mini.write_devkit_archive),
    "unpacked": (mini.write_train_folders, mini.write_flat_validation, mini.write_devkit_folder),
    "train packed": (mini.write_train_tar, mini.write_flat_validation, mini.write_devkit_folder),
    "val packed": (mini.write_train_folders, mini.write_validation_tar, mini.write_devkit_archive),
    "val in classes": (mini.write_train_tar, mini.write_validation_folders),
    "from Kaggle": (mini.write_kaggle,),
    "folder": (mini.write_train_folders, mini.write_validation_folders),
}


READ_META = functools.cache(imagenet_devkit.read_meta)


def write(root, form="tars"):
    for part in FORMS[form]:
        part(root)


def file_names(dataset):
    return [os.path.basename(dataset.name(i)) for i in range(len(dataset))]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_samples(tmp_path, form):
    write(tmp_path, form)
    assert recognize(tmp_path) == ("folder" if form == "folder" else "imagenet")
    splits = load("auto", tmp_path)

    # Sorted by class, and by name as text.
    train = [
        (label, f"{synset}_{number}.JPEG")
        for label, synset in enumerate(mini.SYNSETS)
        for number in ("10", "1000", "10026", "9")
    ]
    validation = sorted(
        (label, f"ILSVRC2012_val_{i:08d}.JPEG")
        for i, label in enumerate(mini.VALIDATION_CLASSES, start=1)
    )
    contents = {name: image for of in mini.train_images().values() for name, image in of.items()}
    contents |= mini.validation_images()
    for split, expected in {"train": train, "validation": validation}.items():
        dataset = splits[split]
        assert dataset.classes == mini.SYNSETS
        assert dataset.labels.dtype == np.int64
        assert list(zip(dataset.labels.tolist(), file_names(dataset))) == expected
        for i, (_, name) in enumerate(expected):
            assert np.array_equal(dataset.image(np.int64(i)), pixels_of(contents[name]))
            if form == "tars":
                assert dataset.file(i).read() == contents[name]


def test_the_same_samples_on_a_system_without_pread(tmp_path, monkeypatch):
    """On Windows."""
    monkeypatch.delattr(os, "pread")
    test_every_form_gives_the_same_samples(tmp_path, "tars")


@pytest.fixture(autouse=True)
def meta_is_read_once(monkeypatch):
    """Of the same file: starting a program to read it takes half a second."""
    monkeypatch.setattr(imagenet_devkit, "read_meta", READ_META)


def pixels_of(contents):
    return np.asarray(mini.Image.open(io.BytesIO(contents)))


def test_damaged_labels_from_kaggle(tmp_path):
    write(tmp_path, "from Kaggle")
    path = tmp_path / "LOC_val_solution.csv"
    lines = path.read_text().splitlines()
    for damaged, problem in (
        ([*lines[:3], "x", *lines[4:]], "line 4 is not an image and its class"),
        (lines[:-1], "10 images where the list of classes has 9"),
    ):
        path.write_text("\n".join(damaged))
        with pytest.raises(DataError, match=problem):
            load("auto", tmp_path)


@pytest.mark.parametrize("names", [("Train", "Val"), ("training", "validation")])
def test_other_names_of_its_folders(tmp_path, names):
    write(tmp_path, "unpacked")
    for name, other in zip(("train", "val"), names):
        (tmp_path / name).rename(tmp_path / other)
    assert recognize(tmp_path) == "imagenet"
    assert len(load("auto", tmp_path)["validation"]) == len(mini.VALIDATION_CLASSES)


# -- the index ----------------------------------------------------------------------------------


def test_second_opening_reads_no_header(tmp_path, monkeypatch):
    write(tmp_path)
    before = load("imagenet", tmp_path)
    monkeypatch.setattr(imagenet_tar, "walk", None)
    after = load("imagenet", tmp_path)
    for split in before:
        assert file_names(before[split]) == file_names(after[split])
        assert np.array_equal(before[split].image(5), after[split].image(5))


@pytest.mark.parametrize("change", ["size", "time"])
def test_index_of_a_replaced_tar_is_made_again(tmp_path, change):
    write(tmp_path)
    load("imagenet", tmp_path)
    path = tmp_path / TRAIN_TAR
    status = path.stat()
    images = {f"{synset}.tar": [(f"{synset}_1.JPEG", mini.jpeg(7))] for synset in mini.SYNSETS}
    replaced = mini.pack((name, mini.pack(class_images)) for name, class_images in images.items())
    size = status.st_size + 512 * (change == "size")
    assert len(replaced) <= size
    path.write_bytes(replaced.ljust(size, b"\0"))
    time = status.st_mtime_ns + (change == "time")
    os.utime(path, ns=(time, time))
    assert file_names(load("imagenet", tmp_path)["train"]) == [f"{s}_1.JPEG" for s in mini.SYNSETS]


def damaged_indices(kept):
    with np.load(kept) as archive:
        key, index = archive["tar"], archive["index"]

    def changed(field, value):
        copy = index.copy()
        copy[field][3] = value
        return copy

    return {
        "offset outside": changed("offset", 10**15),
        "negative offset": changed("offset", -512),
        "huge size": changed("size", 2**62),
        "name not ASCII": changed("name", b"\xff"),
        "empty": index[:0],
        "two axes": index.reshape(2, -1),
        "fractions": index.astype([("name", "S28"), ("offset", "<f8"), ("size", "<f8")]),
        "other type": index["offset"],
        "pickled": np.array([{}], object),
    }, key


def test_damaged_index_is_made_again(tmp_path):
    write(tmp_path)
    expected = file_names(load("imagenet", tmp_path)["train"])
    kept = tmp_path / f"{TRAIN_TAR}.index.npz"
    whole = kept.read_bytes()
    arrays, key = damaged_indices(kept)
    damaged = {"cut": whole[:-200], "empty file": b"", "text": b"index", "zeros": bytes(999)}
    flipped = bytearray(whole)
    flipped[whole.index(b"n02099601_9.JPEG") + 5] ^= 1
    damaged["flipped"] = bytes(flipped)
    for name, array in arrays.items():
        file = io.BytesIO()
        np.savez(file, tar=key, index=array)
        damaged[name] = file.getvalue()
    bomb = io.BytesIO()
    np.savez_compressed(bomb, tar=key, index=np.zeros(10**5, imagenet_tar.IMAGE))
    damaged["bomb"] = bomb.getvalue()
    for name, contents in damaged.items():
        kept.write_bytes(contents)
        assert file_names(load("imagenet", tmp_path)["train"]) == expected, name
        assert kept.read_bytes() == whole, name


def test_folder_that_cannot_be_written(tmp_path, monkeypatch, caplog):
    write(tmp_path)
    original = os.replace

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert len(load("imagenet", tmp_path)["train"]) == 20
    assert f"{TRAIN_TAR}.index.npz: cannot be written (No space left on device)" in caplog.text
    monkeypatch.setattr(os, "replace", original)
    assert not [path for path in tmp_path.iterdir() if "index" in path.name]


# -- hostile and damaged tars -------------------------------------------------------------------


def member(name, kind=tarfile.REGTYPE, size=0, linkname=""):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, linkname
    return info


def header(*args, **kwargs):
    """A raw header: `pack` would not write what it says."""
    return member(*args, **kwargs).tobuf(tarfile.GNU_FORMAT)


def test_members_that_are_no_images_of_imagenet_are_left_out(tmp_path):
    write(tmp_path)
    expected = file_names(load("imagenet", tmp_path)["train"])
    image, synset = mini.jpeg(1), mini.SYNSETS[0]
    inner = [
        (member(f"{synset}_1.JPEG", tarfile.SYMTYPE, linkname="/etc/passwd"), b""),
        (member(f"{synset}_2.JPEG", tarfile.LNKTYPE, linkname="../../x"), b""),
        (member(f"{synset}_3.JPEG", tarfile.CHRTYPE), b""),
        (member(f"{synset}_4.JPEG", tarfile.DIRTYPE), b""),
        (member(f"{synset}_5.JPEG", tarfile.FIFOTYPE), b""),
        (f"../{synset}_6.JPEG", image),
        (f"/{synset}_7.JPEG", image),
        (f"{synset}_٨.JPEG", image),
        (f"{synset}_9.JPEG\n", image),
        (f"{synset}_9999999999.JPEG", image),
        (f"{mini.SYNSETS[1]}_10.JPEG", image),
        (f"{mini.SYNSETS[1]}.tar", mini.pack([(f"{mini.SYNSETS[1]}_11.JPEG", image)])),
        ("a" * 300, image),
    ]
    classes = [(f"{name}.tar", list(of.items())) for name, of in mini.train_images().items()]
    classes = [(name, mini.pack(of + inner * name.startswith(synset))) for name, of in classes]
    outer = [
        (f"../{synset}.tar", mini.pack([(f"{synset}_12.JPEG", image)])),
        (member("n09999999.tar", tarfile.SYMTYPE, linkname="/dev/zero"), b""),
        (f"{synset}_13.JPEG", image),
    ]
    (tmp_path / TRAIN_TAR).write_bytes(mini.pack(outer + classes))
    assert file_names(load("imagenet", tmp_path)["train"]) == expected


def refused_tars():
    """Contents, and what has to be said about them."""
    synset = mini.SYNSETS[0]
    image = (f"{synset}_1.JPEG", mini.jpeg(1))
    # Without a member that is refused, the images after it would be found.
    rest = mini.train_tar()
    name = b"a" * 2**21
    return {
        "backwards": (header("x", size=-1024) + rest, "'x' reaches beyond"),
        "negative": (header("x") + header("y", size=-512) + rest, "'y' reaches beyond"),
        "beyond the end": (header("x", size=10**15) + rest, "'x' reaches beyond"),
        "sparse": (header("x", tarfile.GNUTYPE_SPARSE) + rest, "'x' is a sparse file"),
        "terabytes": (header("x", tarfile.XHDTYPE, size=2**45) + rest, "says it has 351843720"),
        "long name": (
            header("x", tarfile.GNUTYPE_LONGNAME, size=2**21) + name + header("x") + rest,
            "says it has 2097152 bytes",
        ),
        "headers of headers": (header("x", tarfile.XHDTYPE) * 3000 + rest, "recursion"),
        "twice": (
            mini.pack([(f"{synset}.tar", mini.pack([image, image]))]),
            "n01440764_1.JPEG is twice in it",
        ),
        "damaged inside": (
            mini.pack([(f"{synset}.tar", mini.pack([image])[:700])]),
            "n01440764.tar: cut off or damaged",
        ),
        "no tar inside": (
            mini.pack([(f"{synset}.tar", b"not a tar" * 100)]),
            "n01440764.tar: cut off or damaged",
        ),
        "empty tar inside": (mini.pack([(f"{synset}.tar", b"")]), "n01440764.tar: cut off or"),
        "no image": (mini.pack([]), "no image of ImageNet is in it"),
        "compressed": (b"\x1f\x8b" + rest, "cut off or damaged as a tar file"),
        "empty": (b"", "cut off or damaged as a tar file"),
    }


@pytest.mark.parametrize("name", refused_tars())
def test_hostile_tar_is_refused(tmp_path, name):
    contents, reason = refused_tars()[name]
    write(tmp_path)
    (tmp_path / TRAIN_TAR).write_bytes(contents)
    with pytest.raises(DataError, match=rf"{TRAIN_TAR}.*{reason}.* again") as refused:
        load("imagenet", tmp_path)
    assert "\n" not in str(refused.value)


def test_image_too_large_to_be_one(tmp_path, monkeypatch):
    write(tmp_path)
    train = load("imagenet", tmp_path)["train"]
    monkeypatch.setattr(imagenet_tar, "LARGEST_IMAGE", 100)
    with pytest.raises(BadImage, match=r"n01440764_10\.JPEG: .* bytes, too many for an image"):
        train.image(0)


def test_bad_image_is_named(tmp_path):
    write(tmp_path)
    images = mini.validation_images()
    images["ILSVRC2012_val_00000003.JPEG"] = b"no JPEG"
    (tmp_path / VALIDATION_TAR).write_bytes(mini.pack(images.items()))
    validation = load("imagenet", tmp_path)["validation"]
    (index,) = [i for i in range(10) if validation.name(i).endswith("3.JPEG")]
    with pytest.raises(BadImage, match=r"ILSVRC2012_img_val\.tar/ILSVRC2012_val_00000003\.JPEG: "):
        validation.image(index)
    # Cut off while it is open.
    os.truncate(tmp_path / VALIDATION_TAR, 600)
    with pytest.raises(BadImage, match="val_00000002.JPEG: "):
        validation.image(0)


@pytest.mark.parametrize("tar", [TRAIN_TAR, VALIDATION_TAR])
def test_tar_cut_off_anywhere_is_noticed(tmp_path, tar):
    write(tmp_path)
    path = tmp_path / tar
    whole = path.read_bytes()
    with tarfile.open(path) as opened:
        last = opened.getmembers()[-1]
    # After the last member there are blocks of zeros, of which one is enough.
    end = last.offset_data + -(-last.size // 512) * 512 + 512
    lengths = {*range(0, end, 512), *range(1, end, 1999), end - 1}
    for length in sorted(lengths, reverse=True):
        os.truncate(path, length)
        with pytest.raises(DataError, match=rf"{tar}.*: cut off or damaged as a tar file .* again"):
            load("imagenet", tmp_path)
    path.write_bytes(whole[:end])
    load("imagenet", tmp_path)


@pytest.mark.parametrize("tar", [TRAIN_TAR, VALIDATION_TAR])
def test_flipped_bytes_in_a_tar(tmp_path, tar):
    write(tmp_path)
    path = tmp_path / tar
    whole = path.read_bytes()
    choose = random.Random(0)
    used = [i for i, byte in enumerate(whole) if byte]
    refused = 0
    for _ in range(80):
        flipped = bytearray(whole)
        for position in choose.choices(used, k=3):
            flipped[position] = choose.randrange(256)
        path.write_bytes(flipped)
        (tmp_path / f"{tar}.index.npz").unlink(missing_ok=True)
        try:
            for dataset in load("imagenet", tmp_path).values():
                for i in range(len(dataset)):
                    dataset.image(i)
        except DataError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 25


# -- the development kit, and what does not fit together ----------------------------------------


@pytest.mark.parametrize(
    ("file", "contents", "reason"),
    [
        ("meta.mat", b"", "meta.mat is (missing|damaged)"),
        ("meta.mat", b"MATLAB 5.0" * 100, "meta.mat is damaged"),
        ("meta.mat", mini.meta_mat()[:500], "meta.mat is damaged"),
        ("meta.mat", bytes(imagenet_devkit.LARGEST_FILE + 1), "larger than|too large"),
        ("ILSVRC2012_validation_ground_truth.txt", b"1\n2\nthree\n", "line 3 of"),
        ("ILSVRC2012_validation_ground_truth.txt", b"1\n6\n", "line 2 of"),
        ("ILSVRC2012_validation_ground_truth.txt", b"1\n2\n3\n", "has 3; ILSVRC2012_val_00000004"),
    ],
)
@pytest.mark.parametrize("form", ["archive", "folder"])
def test_damaged_devkit(tmp_path, form, file, contents, reason):
    mini.write_train_tar(tmp_path)
    mini.write_validation_tar(tmp_path)
    files = mini.devkit_files() | {file: contents}
    if form == "archive":
        mini.write_devkit_archive(tmp_path, files)
    else:
        mini.write_files(tmp_path / mini.DEVKIT / "data", files)
    with pytest.raises(DataError, match=reason):
        load("imagenet", tmp_path)


# The first two crash the interpreter that reads the file.
@pytest.mark.parametrize(("position", "value"), [(2392, 119), (889, 151), (200, 255)])
def test_flipped_byte_in_meta_mat(tmp_path, position, value):
    write(tmp_path)
    files = mini.devkit_files()
    flipped = bytearray(files["meta.mat"])
    flipped[position] = value
    mini.write_devkit_archive(tmp_path, files | {"meta.mat": bytes(flipped)})
    with pytest.raises(DataError, match=r"tar\.gz: data/meta\.mat is damaged; get the dev"):
        load("imagenet", tmp_path)


def test_damaged_archive_of_the_devkit(tmp_path):
    write(tmp_path)
    path = tmp_path / f"{mini.DEVKIT}.tar.gz"
    whole = path.read_bytes()
    choose = random.Random(1)
    for _ in range(40):
        path.write_bytes(whole[: choose.randrange(len(whole))])
        with pytest.raises(DataError, match=r"devkit_t12\.tar\.gz: .* again"):
            load("imagenet", tmp_path)
        flipped = bytearray(whole)
        flipped[choose.randrange(len(whole))] ^= 1 << choose.randrange(8)
        path.write_bytes(flipped)
        try:  # some bits mean nothing
            load("imagenet", tmp_path)
        except DataError as error:
            assert "\n" not in str(error)


def test_archive_that_unpacks_into_too_much(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setattr(imagenet_devkit, "LARGEST_ARCHIVE", 1000)
    with pytest.raises(DataError, match=r"tar\.gz: not the development kit, it has more than"):
        load("imagenet", tmp_path)


def test_missing_devkit_and_missing_scipy(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(DataError, match=r"needs scipy: pip install scipy"):
        load("imagenet", tmp_path)
    (tmp_path / f"{mini.DEVKIT}.tar.gz").unlink()
    with pytest.raises(DataError, match=r"no ILSVRC2012_devkit_t12\.tar\.gz, .* put the"):
        load("imagenet", tmp_path)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([mini.write_train_tar], "no validation images; put ILSVRC2012_img_val.tar"),
        ([mini.write_validation_tar], "no training images; put ILSVRC2012_img_train.tar"),
    ],
)
def test_half_of_imagenet(tmp_path, parts, reason):
    for part in parts:
        part(tmp_path)
    with pytest.raises(DataError, match=reason):
        load("imagenet", tmp_path)


@pytest.mark.parametrize("form", ["tars", "unpacked"])
def test_missing_validation_image(tmp_path, form):
    write(tmp_path, form)
    images = mini.validation_images()
    del images["ILSVRC2012_val_00000007.JPEG"]
    if form == "tars":
        (tmp_path / VALIDATION_TAR).write_bytes(mini.pack(images.items()))
    else:
        (tmp_path / "val" / "ILSVRC2012_val_00000007.JPEG").unlink()
    with pytest.raises(DataError, match="9 images where .* has 10; ILSVRC2012_val_00000007.JPEG"):
        load("imagenet", tmp_path)


def test_missing_class(tmp_path):
    write(tmp_path)
    classes = mini.train_images()
    del classes[mini.SYNSETS[2]]
    tars = [(f"{synset}.tar", mini.pack(images.items())) for synset, images in classes.items()]
    (tmp_path / TRAIN_TAR).write_bytes(mini.pack(tars))
    with pytest.raises(DataError, match=f"must have the same classes.*of {mini.SYNSETS[2]}"):
        load("imagenet", tmp_path)
