"""Mistakes in what is read of folders, tables and image files, and in the views of images."""

from tests.stress.planted_bugs import Fault

DOWNLOADS = "tests/alexnet/data/test_downloads.py"
IMAGES = "tests/alexnet/data/test_images.py -k "

FAULTS = [
    # Data sets of people's own.
    Fault(
        "sets: valid/ is a test",
        "alexnet/data/readers/splits.py",
        '"valid": "validation",',
        '"valid": "test",',
        f"{DOWNLOADS} -k Roboflow",
    ),
    Fault(
        "sets: the first of two folders for one set is taken",
        "alexnet/data/readers/splits.py",
        "if len(paths) > 1:",
        "if len(paths) > 2:",
        f"{DOWNLOADS} -k folders",
    ),
    Fault(
        "sets: a folder with all classes once more is a class",
        "alexnet/data/readers/splits.py",
        "if len(repeated) >= 2 and 2 * len(repeated) >= len(others):",
        "if len(repeated) > len(others):",
        f"{DOWNLOADS} -k Flowers",
    ),
    Fault(
        "sets: the validation images of Tiny ImageNet in the order of the text file",
        "alexnet/data/readers/tiny_imagenet.py",
        "{synset: sorted(files) for",
        "{synset: files for",
        "tests/alexnet/data/readers/test_tiny_imagenet.py",
    ),
    Fault(
        "sets: thumbnails of a network drive are images",
        "alexnet/data/readers/image_tree.py",
        '*("@eadir", "@tmp", ',
        '*("@tmp", ',
        "tests/alexnet/data/readers/test_image_tree.py",
    ),
    Fault(
        "sets: links to folders inside a class are passed over",
        "alexnet/data/readers/image_tree.py",
        "(links if entry.is_symlink() else folders).append(entry.path)",
        "([] if entry.is_symlink() else folders).append(entry.path)",
        "tests/alexnet/data/readers/test_image_tree.py",
    ),
    Fault(
        "sets: a link that leads upwards adds the other classes",
        "alexnet/data/readers/image_tree.py",
        "seen |= _above(folder)",
        "seen |= set()",
        "tests/alexnet/data/readers/test_image_tree.py",
    ),
    Fault(
        "sets: --val-root is not looked at",
        "alexnet/data/sources.py",
        "open_separate(train_root, val_root, seed)",
        "open_separate(train_root, None, seed)",
        "tests/alexnet/test_train_roots.py -k beside",
    ),
    Fault(
        "sets: of several folders the first is the set",
        "alexnet/files.py",
        "for name in names or [text]]",
        "for name in (names or [text])[:1]]",
        "tests/alexnet/test_train_roots.py -k several",
    ),
    Fault(
        "sets: a folder may lie in another one of the set",
        "alexnet/data/readers/folder.py",
        "    folders = [splits.innermost(root) for root in roots]\n    _require_apart(folders)\n",
        "    folders = [splits.innermost(root) for root in roots]\n",
        "tests/alexnet/test_train_roots.py -k several",
    ),
    Fault(
        "table: a delimiter at the end of a line is a field",
        "alexnet/data/readers/table.py",
        "if any(any(row.get(None, ())) for row in rows):",
        "if any(None in row for row in rows):",
        "tests/alexnet/data/readers/test_table.py -k nothing_depends",
    ),
    Fault(
        "table: rows that are in no set are learned from",
        "alexnet/data/readers/table.py",
        'sets.pop("train", None) or sets.pop(None, {})',
        'sets.pop(None, None) or sets.pop("train", {})',
        "tests/alexnet/data/readers/test_table.py -k left_out",
    ),
    Fault(
        "table: an image may be in two sets",
        "alexnet/data/readers/table.py",
        "if other.split != row.split:",
        "if False:",
        "tests/alexnet/data/readers/test_table.py -k cannot_be_used",
    ),
    Fault(
        "sets: the images held out of Parquet files do not depend on the seed",
        "alexnet/data/readers/parquet.py",
        "rank(seed, train.place(index))",
        "rank(0, train.place(index))",
        "tests/alexnet/data/readers/test_parquet.py -k divided",
    ),
    Fault(
        "sets: a column that numbers the rows of a Parquet file is the label",
        "alexnet/data/readers/parquet_columns.py",
        "if field.name.lower() not in OTHER_NAMES]",
        "if field.name]",
        "tests/alexnet/data/readers/test_parquet.py -k identifies",
    ),
    # Image files, the paths of data, and the folders of runs.
    Fault(
        "files: a large image loses its rotation",
        "alexnet/data/images.py",
        "    orientation = _orientation(image)\n"
        "    if image.width * image.height > LARGE_PIXELS:\n"
        "        image = _reduced(image, square)\n",
        "    if image.width * image.height > LARGE_PIXELS:\n"
        "        image = _reduced(image, square)\n"
        "    orientation = _orientation(image)\n",
        IMAGES + "large",
    ),
    Fault(
        "files: the bound on the size of images does not hold",
        "alexnet/data/images.py",
        "if width * height > _max_pixels:",
        "if width * height > MAX_PIXELS:",
        IMAGES + "bound",
    ),
    Fault(
        "files: Pillow's own bound holds, too",
        "alexnet/data/images.py",
        "    Image.MAX_IMAGE_PIXELS = None\n",
        "",
        IMAGES + "large_photo",
    ),
    Fault(
        "files: HEIC is taken for no image at all",
        "alexnet/data/image_formats.py",
        "    if brands & HEIF_BRANDS:\n",
        "    if brands <= HEIF_BRANDS and not brands:\n",
        IMAGES + "heic",
    ),
    # Random views of images.
    Fault(
        "views: after a skipped image, each image gets the view of the one before",
        "alexnet/data/loader.py",
        "views_of(position, image)",
        "views_of(len(used) - 1, image)",
        "tests/alexnet/data/test_loader.py -k skipped_images",
    ),
    Fault(
        "views: colors are shifted along rows of the eigenvectors",
        "alexnet/data/transforms.py",
        "np.asarray(preprocessing.eigenvectors) @ shifts[:, :, np.newaxis]",
        "np.asarray(preprocessing.eigenvectors).T @ shifts[:, :, np.newaxis]",
        "tests/alexnet/data/test_transforms.py -k bit_for_bit",
    ),
    Fault(
        "views: numbers that are left in the generator's buffer are used for the next image",
        "alexnet/data/transforms.py",
        '"buffer_pos": 4,',
        '"buffer_pos": self._philox.state["buffer_pos"],',
        "tests/alexnet/data/test_transforms.py -k bit_for_bit",
    ),
]
