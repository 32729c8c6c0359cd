"""What a network of Caffe takes: size, mean and scale of its images.

A net for training says it in its layer of data, a net for use only the size. Mean images are files
of their own. Caffe's images are blue, green, red; those of `Preprocessing` red, green, blue.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from alexnet import cli
from alexnet.data.transforms import Preprocessing
from alexnet.errors import CheckpointError
from alexnet.formats.caffe_messages import MAX_AXES, Net, decimal, read_blob
from alexnet.formats.given import Given
from alexnet.formats.state_dict import IMAGENET_DEVIATIONS, IMAGENET_EIGENVECTORS

IMAGE_SIZE = 227
# The mean pixel of ImageNet that Caffe publishes with its networks, as red, green, blue.
IMAGENET_MEAN = (123.0, 117.0, 104.0)


class Transform(NamedTuple):
    """What a layer of data does with images: (pixel - mean) * scale, then a crop."""

    scale: float
    crop_size: int
    mean_file: str
    mean: tuple[float, ...]


def transform_of(path: Path, net: Net) -> Transform:
    """What the net's layers of data say; by default nothing is changed.

    Raises:
        CheckpointError: two of them say different things.
    """
    found = []
    for layer in net.layers:
        for kind in ("Transform", "Data"):
            if layer.bottoms or not layer.message.HasField(kind):
                continue
            message = getattr(layer.message, kind)
            name = message.mean_file.decode("utf-8", "replace")
            mean = tuple(message.mean_value[:MAX_AXES]) if kind == "Transform" else ()
            found.append(Transform(message.scale, message.crop_size, name, mean))
    nothing = Transform(1.0, 0, "", ())
    said = {transform for transform in found if transform != nothing}
    if len(said) > 1:
        raise CheckpointError(f"{path} has layers of data that prepare images in different ways")
    return said.pop() if said else nothing


def read_preprocessing(path: Path, net: Net, given: Given) -> Preprocessing:
    """How images become the input of a net.

    Raises:
        CheckpointError: the mean image does not fit, or what the net says makes no sense.
    """
    transform = transform_of(path, net)
    size = given.image_size or transform.crop_size or _input_size(path, net)
    scale, resize, mean_image = decimal(transform.scale), None, None
    if given.std is not None:
        scale = tuple(1 / std for std in given.std)
    if given.mean_image is not None:
        mean_image, resize = read_mean_image(given.mean_image, size)
        mean = tuple(float(channel.mean()) for channel in mean_image)
    else:
        mean = given.mean or _mean_of(path, transform)
    if not np.isfinite([*mean, *np.atleast_1d(scale)]).all() or not np.all(scale):
        raise CheckpointError(f"{path} is damaged: its mean or scale is no number to compute with")
    try:
        return Preprocessing(
            image_size=size,
            resize=resize,
            mean=mean,
            mean_image=mean_image,
            scale=scale,
            eigenvectors=IMAGENET_EIGENVECTORS,
            standard_deviations=IMAGENET_DEVIATIONS,
        )
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error


def read_mean_image(path: Path, size: int) -> tuple[np.ndarray, int]:
    """The center of a mean image as red, green, blue, float32 (3, size, size).

    Caffe subtracts from a crop the part of the mean image at its place: from the central crop,
    with which networks are used, the center.

    Returns:
        the center, and the size of the whole image, which is that of Caffe's images.

    Raises:
        CheckpointError: it is no mean image, or smaller.
    """
    image = read_blob(path)
    if all(length == 1 for length in image.shape[:-3]):
        image = image.reshape(image.shape[-3:])
    if image.ndim != 3 or image.shape[0] != 3 or image.shape[1] != image.shape[2]:
        shape = "x".join(map(str, image.shape))
        raise CheckpointError(f"{path} is no mean image: it is {shape}, expected 3 x N x N")
    whole = image.shape[1]
    if whole < size:
        raise CheckpointError(f"{path} has {whole}x{whole} pixels, the network takes {size}x{size}")
    if not np.isfinite(image).all():
        raise CheckpointError(f"{path} is damaged: it has numbers that are not finite")
    first = (whole - size) // 2
    center = image[::-1, first : first + size, first : first + size]
    return np.ascontiguousarray(center), whole


def _input_size(path: Path, net: Net) -> int:
    """Height and width of the images that a net for use takes; by default Caffe's 227 pixels."""
    if net.input_shape is None:
        return IMAGE_SIZE
    match net.input_shape:
        case [_, 3, height, width] if height == width:
            return height
    shape = "x".join(map(str, net.input_shape))
    raise CheckpointError(f"{path} is no AlexNet: it takes {shape}, expected N x 3 x S x S")


def _mean_of(path: Path, transform: Transform) -> tuple[float, float, float]:
    """The mean of each color that a net says, or that of ImageNet."""
    if transform.mean:
        if len(transform.mean) not in (1, 3):
            raise CheckpointError(
                f"{path} subtracts {len(transform.mean)} means, expected 1 or one for each color"
            )
        blue, green, red = transform.mean if len(transform.mean) == 3 else 3 * transform.mean
        return decimal(red), decimal(green), decimal(blue)
    name = f", {cli.one_line(transform.mean_file[:200])}," if transform.mean_file else ""
    red, green, blue = IMAGENET_MEAN
    cli.say(
        f"note: {path} has no mean image{name} in it: ImageNet's mean color is taken, red {red:g}, "
        f"green {green:g}, blue {blue:g}; python -m alexnet.convert has --mean-image for a file"
    )
    return IMAGENET_MEAN
