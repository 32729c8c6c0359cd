"""Mistakes in files for other programs, and in the comparison with what they compute."""

from tests.stress.planted_bugs import Fault

IO = "tests/minigrad/test_io.py -k "
CHECKPOINT = "tests/alexnet/run/test_checkpoint.py -k "
SLIM = "tests/alexnet/export/test_slim.py"
README = "tests/alexnet/export/test_readme.py -k "
CONVERT = "tests/alexnet/test_convert.py -k "
GRAPH = "alexnet/export/onnx_graph.py"
ONNX = "tests/alexnet/export/test_onnx_file.py -k "

FAULTS = [
    # Parameters of two bytes.
    Fault(
        "bfloat16 is cut off instead of rounded",
        "kernels/shared/bfloat16.py",
        "(bits + (0x7FFF + (bits >> 16 & 1))) >> 16",
        "bits >> 16",
        IO + "bfloat16_is_the_nearest",
    ),
    Fault(
        "bfloat16 is rounded up where the even number is as near",
        "kernels/shared/bfloat16.py",
        "(0x7FFF + (bits >> 16 & 1))",
        "0x8000",
        IO + "bfloat16_is_the_nearest",
    ),
    Fault(
        "NaN becomes an infinite bfloat16",
        "kernels/shared/bfloat16.py",
        "bits >> 16 | 0x40",
        "bits >> 16",
        IO + "bfloat16_is_the_nearest",
    ),
    Fault(
        "numbers for PyTorch are cut off instead of rounded",
        "alexnet/formats/torch_file.py",
        'np.ascontiguousarray(io.rounded(array, "bfloat16"))',
        "np.ascontiguousarray(array)",
        "tests/alexnet/formats/test_torch_file.py -k nearest_bfloat16",
    ),
    Fault(
        "preprocessing of a damaged file is not made of numbers",
        "alexnet/data/transforms.py",
        "if not of_kind or not np.isfinite(array).all():",
        "if False:",
        CHECKPOINT + "senseless",
    ),
    Fault(
        "the checksum of a bfloat16 file is that of the numbers before rounding",
        "alexnet/run/checkpoint.py",
        'if dtype != "float32":',
        'if dtype == "float16":',
        CHECKPOINT + "types_and_names",
    ),
    Fault(
        "a halved file is taken for a whole one by earlier programs",
        "alexnet/run/checkpoint.py",
        'or dtype != "float32" or plain_names',
        "or plain_names",
        CHECKPOINT + "halved_files",
    ),
    Fault(
        "a network loaded from a float16 file computes in float16",
        "alexnet/run/checkpoint.py",
        "array.astype(np.float32, copy=False) for",
        "array for",
        CHECKPOINT + "types_and_names",
    ),
    Fault(
        "parameters become infinite where a type cannot hold them",
        "alexnet/export/slim.py",
        "if not np.isfinite(rounded).all():",
        "if False:",
        SLIM,
    ),
    # What others are given, and told.
    Fault(
        "a file for others names folders",
        "alexnet/export/slim.py",
        "- paths - NOT_KEPT",
        "- NOT_KEPT",
        SLIM,
    ),
    Fault(
        "a network that was rounded once is called unrounded after another conversion",
        "alexnet/export/slim.py",
        "types = checkpoint.training.get(ROUNDED_TO, [])",
        "types: list[str] = []",
        SLIM,
    ),
    Fault(
        "a page gives the accuracy of another epoch",
        "alexnet/export/readme.py",
        "if (epoch, steps) != (best_epoch, 0):",
        "if False:",
        README + "not_that_of_the_file",
    ),
    Fault(
        "a page gives an interval for a number of images that is not known",
        "alexnet/export/readme.py",
        "abs(right - round(right)) < 1e-6",
        "True",
        README + "not_that_of_the_file",
    ),
    Fault(
        "a page that the user has written is replaced",
        "alexnet/export/readme.py",
        "if path.exists() and not _is_ours(path):",
        "if False:",
        README + "of_the_user",
    ),
    Fault(
        "the code of a page takes another part of the image",
        "alexnet/export/readme_code.py",
        "first = (RESIZE - SIZE) // 2",
        "first = 0",
        README + "code_for_onnxruntime",
    ),
    Fault(
        "the code of a page subtracts the mean after scaling",
        "alexnet/export/readme_code.py",
        "levels = (crop(path) - MEAN) * SCALE",
        "levels = crop(path) * SCALE - MEAN",
        README + "code_for_a_variant",
    ),
    # The conversion.
    Fault(
        "convert overwrites the file that it reads",
        "alexnet/export/write.py",
        "if source.exists() and out.samefile(source):",
        "if False:",
        CONVERT + "not_overwritten",
    ),
    Fault(
        "convert overwrites the checkpoint that a run goes on from",
        "alexnet/export/write.py",
        "if any(out.samefile(path) for path in checkpoint_files.candidates(out.parent)):",
        "if False:",
        CONVERT + "not_overwritten",
    ),
    Fault(
        "a file that holds another network appears",
        "alexnet/export/check.py",
        "if not found.is_close:",
        "if False:",
        CONVERT + "something_else",
    ),
    Fault(
        "a source that is read wrongly is converted",
        "alexnet/convert.py",
        "for comparison in check.read(checkpoint, source, given):",
        "for comparison in ():",
        CONVERT + "read_wrongly",
    ),
    Fault(
        "logits that are not numbers count as equal",
        "alexnet/export/parity.py",
        "self.relative <= LARGEST_RELATIVE",
        "not self.relative > LARGEST_RELATIVE",
        "tests/alexnet/export/test_parity.py -k finite",
    ),
    Fault(
        "shares of 1 are taken for gray levels",
        "alexnet/formats/given.py",
        "if all(0 < level < 1 for level in levels):",
        "if False:",
        CONVERT + "wrong_use",
    ),
    Fault(
        "a run goes on from a network alone",
        "alexnet/training/run.py",
        "load(Path(path)).require_run(Path(path))",
        "pass",
        CONVERT + "but_not_go_on",
    ),
    Fault(
        "a network alone hides the checkpoint that a run can go on from",
        "alexnet/run/checkpoint_files.py",
        "checkpoint.require_run(path)",
        "pass",
        CONVERT + "place_of_a_checkpoint",
    ),
    # Files of ONNX.
    Fault(
        "a file for a folder that is missing is named by a folder that nobody knows",
        "alexnet/files.py",
        "if error.errno is not None and (not error.filename or UNFINISHED in str(error.filename)):",
        "if error.errno is not None and not error.filename:",
        ONNX + "missing_folder",
    ),
    Fault(
        "ONNX: alpha is divided by the size of the window once more",
        GRAPH,
        '"alpha": float(layer.alpha)',
        '"alpha": float(layer.alpha / layer.size)',
        ONNX + "variants",
    ),
    Fault(
        "ONNX: the constants of Caffe's normalization become whole numbers",
        GRAPH,
        '"bias": float(layer.k)',
        '"bias": layer.k',
        ONNX + "variants",
    ),
    Fault(
        "ONNX: a normalization of an even size is written as it is",
        GRAPH,
        "case nn.LocalResponseNorm() if layer.size % 2:",
        "case nn.LocalResponseNorm() if layer.size:",
        ONNX + "no_operator",
    ),
    Fault(
        "ONNX: the groups are forgotten",
        GRAPH,
        '{"group": layer.groups}',
        '{"group": 1}',
        ONNX + "100_images",
    ),
    Fault(
        "ONNX: the padding is all below and right",
        GRAPH,
        '2 * pair(kind, "padding", layer.padding, 0)',
        '(0, 0, *(2 * p for p in pair(kind, "padding", layer.padding, 0)))',
        ONNX + "100_images",
    ),
    Fault(
        "ONNX: rows and columns of the image are exchanged",
        GRAPH,
        "perm=[0, 3, 1, 2]",
        "perm=[0, 3, 2, 1]",
        ONNX + "100_images",
    ),
    Fault(
        "ONNX: the mean of red is that of blue",
        GRAPH,
        'graph.constant("mean", mean)',
        'graph.constant("mean", np.flip(mean, -1))',
        ONNX + "100_images",
    ),
    Fault(
        "ONNX: the mean image is turned",
        GRAPH,
        "mean_image.transpose(1, 2, 0)",
        "mean_image.transpose(2, 1, 0)",
        ONNX + "mean_image",
    ),
    Fault(
        "ONNX: all colors have the scale of red",
        GRAPH,
        'graph.constant("scale", preprocessing.scale)',
        'graph.constant("scale", np.ravel(preprocessing.scale)[0])',
        ONNX + "colors",
    ),
    Fault(
        "ONNX: windows of the average do not overlap",
        GRAPH,
        "-(-(i + 1) * pixels // windows)",
        "max(begin + 1, (i + 1) * pixels // windows)",
        ONNX + "windows",
    ),
    Fault(
        "ONNX: folders of the machine are in the file",
        "alexnet/export/onnx_file.py",
        "checkpoint = slim(checkpoint)",
        "slim(checkpoint)",
        ONNX + "folders",
    ),
    Fault(
        "ONNX: a full disk takes the old file",
        "alexnet/export/onnx_file.py",
        "files.write(path, model.SerializeToString())",
        "path.write_bytes(model.SerializeToString())\n    files._sync(path)",
        ONNX + "full_disk",
    ),
    Fault(
        "ONNX: a network that protobuf cannot hold",
        "alexnet/export/onnx_file.py",
        "if size + graph_size > LARGEST_FILE:",
        "if False:",
        ONNX + "too_large",
    ),
]
