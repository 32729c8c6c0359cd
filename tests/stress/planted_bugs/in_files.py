"""Mistakes about image files, the paths of data, and the folders of runs."""

from tests.stress.planted_bugs import Fault

IMAGES = "tests/alexnet/data/test_images.py -k "
FOLDER = "tests/alexnet/run/test_folder.py -k "

FAULTS = [
    Fault(
        "files: a large image loses its rotation",
        "alexnet/data/images.py",
        "        orientation = _orientation(image)\n"
        "        if image.width * image.height > LARGE_PIXELS:\n"
        "            image = _reduced(image, square)\n",
        "        if image.width * image.height > LARGE_PIXELS:\n"
        "            image = _reduced(image, square)\n"
        "        orientation = _orientation(image)\n",
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
    Fault(
        "files: the path of the data is stored as it was given",
        "alexnet/training/options.py",
        'return str(path.resolve() if ".." in path.parts else path.absolute())',
        "return str(path)",
        "tests/alexnet/training/test_options.py",
    ),
    Fault(
        "files: data that have changed are evaluated",
        "alexnet/inference/load.py",
        "    if not data_options.names_data(vars(arguments)):\n",
        "    if data_options.names_data(vars(arguments)):\n",
        "tests/alexnet/inference/test_load.py",
    ),
    Fault(
        "files: the subset of a run is compared with the whole training set",
        "alexnet/inference/load.py",
        'if used == "train" and subset is not None and',
        'if used == "test" and subset is not None and',
        "tests/alexnet/inference/test_load.py",
    ),
    Fault(
        "files: a folder of the user is hidden from git",
        "alexnet/run/folder.py",
        "    if is_new:\n",
        "    if True:\n",
        FOLDER + "git",
    ),
    Fault(
        "files: a run is begun among images",
        "alexnet/run/folder.py",
        "    if data := _data_in(folder):\n",
        "    if data := None:\n",
        FOLDER + "images",
    ),
    Fault(
        "files: later checkpoints are replaced without a copy",
        "alexnet/run/checkpoint_files.py",
        "if any(_step_of(path) > step for path in history(folder)):",
        "if any(_step_of(path) < step for path in history(folder)):",
        FOLDER + "copy",
    ),
    Fault(
        "files: a run that its patience has ended is continued",
        "alexnet/run/checkpoint.py",
        "epoch >= epochs or (patience is not None and epoch - best_epoch >= patience)",
        "epoch >= epochs",
        FOLDER + "patience",
    ),
]
