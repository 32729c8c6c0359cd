"""The code of the page beside a file: from an image to a class, without this project.

The blocks of a page run one after the other in the folder of the file, on an image.png there.
"""

from pathlib import Path

import numpy as np

from alexnet.data.transforms import Preprocessing
from alexnet.export import pytorch
from alexnet.formats.torch_records import METADATA
from alexnet.run.checkpoint import MEAN_IMAGE, MODEL
from minigrad import nn

CROP = """\
import numpy as np
from PIL import Image, ImageOps

SIZE, RESIZE = {size}, {resize}


def crop(path):
    \"\"\"The pixels of an image: uint8 (SIZE, SIZE, 3), red, green and blue.\"\"\"
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    square = square.resize((RESIZE, RESIZE), Image.Resampling.BILINEAR)
    first = (RESIZE - SIZE) // 2
    return np.asarray(square)[first : first + SIZE, first : first + SIZE]
"""
PREPARED = """

{mean}
SCALE = np.array({scale})


def prepared(path):
    \"\"\"The network's input: float32 (1, 3, SIZE, SIZE).\"\"\"
    levels = (crop(path) - MEAN) * SCALE
    return levels.astype(np.float32).transpose(2, 0, 1)[np.newaxis]
"""
MEAN_IN_TENSOR = """\
from safetensors import safe_open

with safe_open({file!r}, "numpy") as file:
    MEAN = file.get_tensor({name!r}).transpose(1, 2, 0)
"""
MEAN_IN_METADATA = """\
from base64 import b64decode

from safetensors import safe_open

with safe_open({file!r}, "numpy") as file:
    content = b64decode(file.metadata()[{name!r}])
MEAN = np.frombuffer(content, "<f4").reshape(3, SIZE, SIZE).transpose(1, 2, 0)
"""
MEAN_IN_RECORD = """\
import json
from base64 import b64decode
from zipfile import ZipFile

with ZipFile({file!r}) as archive:
    metadata = json.loads(archive.read("archive/{record}"))
content = b64decode(metadata[{name!r}])
MEAN = np.frombuffer(content, "<f4").reshape(3, SIZE, SIZE).transpose(1, 2, 0)
"""
PYTORCH = """\
{imports}
{network}
{parameters}
network.load_state_dict(parameters)
network.eval()
with torch.no_grad():
    probabilities = network(torch.from_numpy(prepared("image.png"))).softmax(dim=1)[0]
best = int(probabilities.argmax())
print(f"class {{best}} with probability {{probabilities[best]:.3f}}")
"""
FROM_PTH = "parameters = torch.load({file!r}, weights_only=True)"
FROM_PLAIN_NAMES = """\
from safetensors.torch import load_file

parameters = load_file({file!r})"""
FROM_OWN_NAMES = """\
from safetensors.torch import load_file

parameters = {{
    name.removeprefix({prefix!r}): tensor
    for name, tensor in load_file({file!r}).items()
    if name.startswith({prefix!r})
}}"""
ONNXRUNTIME = """\
import json

import onnxruntime

session = onnxruntime.InferenceSession({file!r})
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
(probabilities,) = session.run(["probabilities"], {{"images": crop("image.png")[np.newaxis]}})
best = probabilities[0].argmax()
print(f"{{classes[best]}} with probability {{probabilities[0, best]:.3f}}")
"""


def preprocessing(values: Preprocessing, file: Path, names: str) -> str:
    """From an image to what a file of the network takes."""
    code = CROP.format(size=values.image_size, resize=values.resize)
    if file.suffix.lower() == ".onnx":  # the rest is part of the graph
        return code
    if values.mean_image is None:
        mean = f"MEAN = np.array({list(values.mean)})"
    else:
        form = MEAN_IN_TENSOR if names == "own" else MEAN_IN_METADATA
        if file.suffix.lower() != ".safetensors":
            form = MEAN_IN_RECORD
        mean = form.format(file=file.name, name=MEAN_IMAGE, record=METADATA).rstrip()
    return code + PREPARED.format(mean=mean, scale=repr(np.asarray(values.scale).tolist()))


def prediction(model: nn.Module, file: Path, names: str) -> str:
    """From an image to its class, with PyTorch, or with onnxruntime where the file is for that."""
    suffix = file.suffix.lower()
    if suffix == ".onnx":
        return ONNXRUNTIME.format(file=file.name)
    form = FROM_OWN_NAMES if names == "own" else FROM_PLAIN_NAMES
    if suffix != ".safetensors":
        form = FROM_PTH
    return PYTORCH.format(
        imports=pytorch.IMPORTS,
        network=pytorch.code(model),
        parameters=form.format(file=file.name, prefix=MODEL),
    )
