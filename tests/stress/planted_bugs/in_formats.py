"""Mistakes in how files of other programs are read and written."""

from tests.stress.planted_bugs import Fault

PICKLES, PICKLES_TESTS = "alexnet/pickles.py", "tests/alexnet/test_pickles.py"
TORCH, RECORDS = "alexnet/formats/torch_file.py", "alexnet/formats/torch_records.py"
STATE_DICT = "alexnet/formats/state_dict.py"
FILES = "tests/alexnet/formats/test_torch_file.py -k "
HOSTILE = "tests/alexnet/formats/test_hostile_torch_files.py -k "
NAMES = "tests/alexnet/formats/test_state_dict.py -k "
LOAD = "tests/alexnet/formats/test_load.py -k "
CAFFE = "tests/alexnet/formats/test_caffe.py -k "

FAULTS = [
    # Pickles.
    Fault(
        "pickles: any function is taken for a known one",
        PICKLES,
        "if function not in functions:",
        "if False:",
        HOSTILE + "executed",
    ),
    Fault(
        "pickles: keys whose hashes were chosen",
        PICKLES,
        "and 0 <= key < MAX_INTEGER_KEY",
        "and 0 <= key",
        PICKLES_TESTS,
    ),
    Fault(
        "pickles: as many instructions as the file likes",
        PICKLES,
        "if count == MAX_INSTRUCTIONS:",
        "if False:",
        PICKLES_TESTS,
    ),
    # Tensors.
    Fault(
        "torch: a tensor beyond its storage",
        TORCH,
        "or (count and last >= storage.count)",
        "or (count and last > storage.count)",
        HOSTILE + "within",
    ),
    Fault(
        "torch: tensors that share a storage fill the memory",
        TORCH,
        "if total > MAX_SHARING * file_size:",
        "if False:",
        HOSTILE + "share",
    ),
    Fault(
        "torch: the offset of a tensor is lost",
        TORCH,
        "place = (storage.first + offset) * dtype.itemsize",
        "place = storage.first * dtype.itemsize",
        FILES + "every_kind",
    ),
    Fault(
        "torch: bfloat16 is the lower half of a float32",
        TORCH,
        "array.astype(np.uint32) << 16",
        "array.astype(np.uint32)",
        FILES + "every_kind",
    ),
    Fault(
        "torch: elements in the order of the bytes of this machine",
        TORCH,
        "np.dtype(byte_order + FLOATS[storage.kind])",
        "np.dtype(FLOATS[storage.kind])",
        FILES + "byte_order",
    ),
    Fault(
        "torch: strides of a file that is written",
        TORCH,
        "math.prod(array.shape[i + 1 :])",
        "math.prod(array.shape[:i])",
        FILES + "pytorch_reads",
    ),
    # The forms of files.
    Fault(
        "torch: compressed records are read",
        RECORDS,
        "if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:",
        "if False:",
        HOSTILE + "compressed",
    ),
    Fault(
        "torch: records within one another",
        RECORDS,
        "if entry.header_offset < end:",
        "if False:",
        HOSTILE + "not_where",
    ),
    Fault(
        "torch: a directory of any length is read",
        RECORDS,
        "size > self.limit",
        "False",
        HOSTILE + "millions",
    ),
    Fault(
        "torch: storages of the old form go on beyond its end",
        RECORDS,
        "if not start <= position <= size:",
        "if not start <= position:",
        HOSTILE + "old_form",
    ),
    # Names, shapes, preprocessing.
    Fault(
        "state dict: a surplus parameter is ignored",
        STATE_DICT,
        "[name for name in arrays if name not in shapes]",
        "[]",
        NAMES + "does_not_fit",
    ),
    Fault(
        "state dict: a shape is not compared",
        STATE_DICT,
        "if arrays[name].shape != shapes[name]]",
        "if arrays[name].ndim != len(shapes[name])]",
        NAMES + "does_not_fit",
    ),
    Fault(
        "state dict: the scale is a standard deviation",
        STATE_DICT,
        "scale=tuple((1 / std).tolist())",
        "scale=tuple(std.tolist())",
        NAMES + "torchvisions",
    ),
    Fault(
        "state dict: torchvision resizes to 253 pixels",
        STATE_DICT,
        "TORCHVISION_RESIZE = 256 / 224",
        "TORCHVISION_RESIZE = 256 / 227",
        NAMES + "torchvisions",
    ),
    Fault(
        "state dict: the map of names is turned around",
        STATE_DICT,
        "[names.get(name, name) for name in arrays]",
        "[{v: k for k, v in names.items()}.get(name, name) for name in arrays]",
        NAMES + "map",
    ),
    Fault(
        "load: what is given of a checkpoint is ignored",
        "alexnet/formats/load.py",
        "return found if given == Given() else",
        "return found if True else",
        LOAD + "way_back",
    ),
    Fault(
        "load: the metadata of a .pth are lost",
        TORCH,
        "{name: arrays[name] for name in tensors}, _metadata(records.metadata)",
        "{name: arrays[name] for name in tensors}, {}",
        LOAD + "way_back",
    ),
    Fault(
        "--init-from: three scales become one",
        "alexnet/data/transforms.py",
        'fields["scale"] = tuple(fields["scale"])',
        'fields["scale"] = fields["scale"][0]',
        "tests/alexnet/training/test_fine_tuning.py -k pytorch",
    ),
    # Files of Caffe.
    Fault(
        "Caffe: blue, green, red is taken for red, green, blue",
        "alexnet/formats/caffe.py",
        "arrays[first][:, ::-1]",
        "arrays[first]",
        CAFFE + "arrives",
    ),
    Fault(
        "Caffe: alpha is taken for that of the paper, which is not divided by the size",
        "alexnet/formats/caffe.py",
        "decimal(getattr(norm, name))",
        "decimal(getattr(norm, name)) * (norm.local_size if name == 'alpha' else 1)",
        CAFFE + "arrives",
    ),
    Fault(
        "Caffe: k is the paper's",
        "alexnet/formats/caffe.py",
        'for name in ("alpha", "beta", "k")',
        'for name in ("alpha", "beta")',
        CAFFE + "arrives",
    ),
    Fault(
        "Caffe: its CaffeNet is computed as bvlc_alexnet",
        "alexnet/formats/caffe.py",
        'variant["pool_before_norm"] = True',
        "pass",
        CAFFE + "arrives",
    ),
    Fault(
        "Caffe: the groups of a convolution change places",
        "alexnet/formats/caffe.py",
        'arrays[f"{name}.{kind}"] = blob.reshape(getattr(module, kind).shape)',
        'arrays[f"{name}.{kind}"] = np.roll(blob.reshape(getattr(module, kind).shape), '
        "len(blob) // 2 if getattr(module, 'groups', 1) == 2 else 0, 0)",
        CAFFE + "parameters",
    ),
    Fault(
        "Caffe: groups and strides are not compared",
        "alexnet/formats/caffe.py",
        "if pair[0] != pair[1])",
        "if pair[0] != pair[1] and 'shape' in what)",
        CAFFE + "refused",
    ),
    Fault(
        "Caffe: a layer beside the chain is overlooked",
        "alexnet/formats/caffe.py",
        "            if layer.blobs:\n                raise",
        "            if False:\n                raise",
        CAFFE + "refused",
    ),
    Fault(
        "Caffe: what is done with images before the first convolution is overlooked",
        "alexnet/formats/caffe.py",
        "layer.kind in (*_IDENTITIES, *_ENDS)):",
        "not layer.blobs):",
        CAFFE + "refused",
    ),
    Fault(
        "Caffe: a size that it rounds up is rounded down",
        "alexnet/formats/caffe.py",
        "if (shape[-1] - module.kernel_size) % module.stride:",
        "if False:",
        CAFFE + "senseless",
    ),
    Fault(
        "Caffe: the upper left of the mean image instead of its center",
        "alexnet/formats/caffe_input.py",
        "first = (whole - size) // 2",
        "first = 0",
        CAFFE + "mean_image",
    ),
    Fault(
        "Caffe: the mean image stays blue, green, red",
        "alexnet/formats/caffe_input.py",
        "center = image[::-1, first",
        "center = image[:, first",
        CAFFE + "mean_image",
    ),
    Fault(
        "Caffe: the mean of each color stays blue, green, red",
        "alexnet/formats/caffe_input.py",
        "blue, green, red = transform.mean if",
        "red, green, blue = transform.mean if",
        CAFFE + "layer_of_data",
    ),
    Fault(
        "Caffe: the factor on gray levels is overlooked",
        "alexnet/formats/caffe_input.py",
        "scale, resize, mean_image = decimal(transform.scale), None, None",
        "scale, resize, mean_image = 1.0, None, None",
        CAFFE + "layer_of_data",
    ),
    Fault(
        "Caffe: of an array in several parts the last one counts",
        "alexnet/formats/caffe_messages.py",
        'packed = b"".join(parts)',
        "packed = parts[-1]",
        CAFFE + "several_parts",
    ),
    Fault(
        "Caffe: double precision is read as single",
        "alexnet/formats/caffe_messages.py",
        'np.dtype("<f8" if blob.double_data else "<f4")',
        'np.dtype("<f4")',
        CAFFE + "double",
    ),
    Fault(
        "doctor: --init-from is ignored",
        "alexnet/doctor/__main__.py",
        "pretrained = load(Path(began_with)) if began_with else None",
        "pretrained = None",
        "tests/alexnet/doctor/test_command.py -k another_network",
    ),
    Fault(
        "torch: the first tensors of a file are its parameters",
        TORCH,
        "for found in (*(_as_dict(value.get(place)) for place in PLACES), value):",
        "for found in (value, *(_as_dict(value.get(place)) for place in PLACES)):",
        FILES + "training_scripts",
    ),
]
