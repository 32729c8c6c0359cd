"""Mistakes in the commands, the data sets, and the runs."""

from tests.stress.planted_bugs import Fault

DOWNLOADS = "tests/alexnet/data/test_downloads.py"
IMAGES = "tests/alexnet/data/test_images.py -k "
FOLDER = "tests/alexnet/run/test_folder.py -k "

FAULTS = [
    # Names, and batches without images.
    Fault(
        "a continued run repeats the batch before one that was left out",
        "alexnet/training/trainer.py",
        "state.step = share.number + 1",
        "state.step += 1",
        "tests/alexnet/training/trainer/test_stopped.py -k without_a",
    ),
    Fault(
        "a control character in a name makes an SVG that no program opens",
        "alexnet/text.py",
        '_NOT_IN_XML.sub("?", text)',
        'text.encode("utf-8", "replace").decode()',
        "tests/alexnet/test_text.py",
    ),
    Fault(
        "columns are measured before names are escaped",
        "alexnet/text.py",
        "[[cli.one_line(cell) for cell in row] for row in rows]",
        "rows",
        "tests/alexnet/test_text.py",
    ),
    # The commands.
    Fault(
        "options only before or behind all other arguments",
        "alexnet/cli.py",
        "if self._subparsers is not None or not others or",
        "if True or",
        "tests/alexnet/test_predict.py -k options",
    ),
    Fault(
        "a closed stream stays closed",
        "alexnet/cli.py",
        "if stream is None or",
        "if False and",
        "tests/alexnet/test_cli.py -k stream",
    ),
    Fault(
        "printed commands are not quoted",
        "alexnet/cli.py",
        "{shlex.join(words)}",
        "{' '.join(words)}",
        "tests/alexnet/test_cli.py -k printed",
    ),
    Fault(
        "signals are handled in any thread",
        "alexnet/interrupts.py",
        "if threading.current_thread() is not threading.main_thread():",
        "if False:",
        "tests/alexnet/test_interrupts.py -k thread",
    ),
    Fault(
        "a signal that is ignored is taken all the same",
        "alexnet/interrupts.py",
        "if signal.getsignal(number) != signal.SIG_IGN or number == signal.SIGINT:",
        "if True:",
        "tests/alexnet/test_interrupts.py -k ignored",
    ),
    Fault(
        "Ctrl-C while modules are imported shows where Python was",
        "alexnet/__init__.py",
        "interrupts.end_quietly_while_importing()  #",
        "#",
        "tests/alexnet/test_interrupts.py -k imported",
    ),
    Fault(
        "figures need the backend that MPLBACKEND names",
        "alexnet/style.py",
        '(backend := os.environ.pop("MPLBACKEND", None))',
        '(backend := os.environ.get("MPLBACKEND"))',
        "tests/alexnet/test_style.py -k backend",
    ),
    Fault(
        "the byte-order mark belongs to the first name of a list",
        "alexnet/inference/image_files.py",
        "content.removeprefix(codecs.BOM_UTF8)",
        "content",
        "tests/alexnet/test_predict.py -k lists",
    ),
    # Locks.
    Fault(
        "processes: a lock that anybody gets",
        "alexnet/files.py",
        "if not is_ours:",
        "if is_ours is None:",
        "tests/alexnet/test_files.py -k test_a_lock_ends",
    ),
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
        "val_root and Path(val_root), seed",
        "None, seed",
        "tests/alexnet/test_train_roots.py -k beside",
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
    # Two columns.
    Fault(
        "columns: the gradient of what the other one got does not come back",
        "alexnet/columns.py",
        "return _exchange(ctx.backend, grad_output, ctx.team)",
        "return ctx.backend.xp.zeros_like(grad_output)",
        "tests/alexnet/test_columns.py -k gradients",
    ),
    Fault(
        "columns: normalization sees channels that are not next to its own",
        "alexnet/columns.py",
        "own[:, -reach:] if self.team.rank == 0 else own[:, :reach]",
        "own[:, :reach]",
        "tests/alexnet/test_columns.py -k scores",
    ),
    Fault(
        "columns: a mask of its own for half of a layer",
        "alexnet/columns.py",
        "        return self._own(dropout(whole), units)",
        "        return dropout(own)",
        "tests/alexnet/test_columns.py -k scores",
    ),
    Fault(
        "columns: both losses count",
        "alexnet/columns.py",
        "F.pad(own.detach(), ",
        "F.pad(own, ",
        "tests/alexnet/test_columns.py -k gradients",
    ),
    Fault(
        "columns: snapshots of the kernels of one column",
        "alexnet/training/epoch_results.py",
        'self.save(trainer.network, row["epoch"])',
        'self.save(trainer.model, row["epoch"])',
        "tests/alexnet/test_columns.py -k is_that_of_one",
    ),
    Fault(
        "columns: the whole network is that of the epoch before",
        "alexnet/training/trainer.py",
        "        self._update_network()\n        for observer in self.observers:\n",
        "        for observer in self.observers:\n",
        "tests/alexnet/test_columns.py -k is_that_of_one",
    ),
]
