"""The kinds of files of `tests.stress.fuzz_data`: small valid ones, and how the project reads them.

Another kind is one entry of `KINDS`.
"""

import contextlib
import functools
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
from PIL import Image

from alexnet.data import Splits
from alexnet.data import __main__ as data_command
from alexnet.data.images import decode, kinds
from alexnet.data.readers import cifar, imagenet, parquet, shards
from alexnet.data.readers.imagenet_tar import TarImages, train_images, validation_images
from alexnet.data.transforms import Preprocessing
from alexnet.errors import CheckpointError, DataError
from alexnet.formats import caffe, torch_file
from alexnet.formats.given import Given
from alexnet.formats.load import load
from alexnet.model import ARCHITECTURES, AlexNet
from alexnet.run.checkpoint import Checkpoint
from tests.alexnet.data import miniature_imagenet
from tests.alexnet.data.readers import test_cifar
from tests.alexnet.formats import caffe_files, torch_files

NARROWEST = 0.001  # width of an AlexNet with 8 channels in each layer


class Kind(NamedTuple):
    """A kind of file, or of a data set that consists of several files.

    Attributes:
        write: writes valid files into an empty folder; each of them is damaged in turn.
        read: reads the file at a path, or the data set it belongs to, as the project does.
        refusal: the error with which a reader refuses.
        repair: gives damaged bytes the checksums that let them through to the decoder.
        chatter: pattern of the lines that may be printed.
    """

    write: Callable[[Path], None]
    read: Callable[[Path], None]
    refusal: type[Exception] = DataError
    repair: Callable[[bytes], bytes] | None = None
    chatter: str = ""


# -- images -----------------------------------------------------------------------------------


def read_image(path: Path) -> None:
    """As training and `python -m alexnet.data check` do."""
    pixels = decode(path, str(path))
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
    kinds(path, str(path))
    decode(path, str(path), square=8)


def _smooth(height: int = 24, width: int = 32, channels: int = 3) -> np.ndarray:
    """Waves of color with a little noise: every coefficient of a JPEG block occurs."""
    rng = np.random.default_rng(0)
    y, x, c = np.ogrid[:height, :width, :channels]
    waves = 128 + 90 * np.sin(x / 5 + c) * np.cos(y / 4 - c)
    return (waves + rng.normal(0, 8, waves.shape)).clip(0, 255).astype(np.uint8)


def _exif(orientation: int = 6) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a camera"
    return exif


RGB, GRAY = Image.fromarray(_smooth()), Image.fromarray(_smooth()[:, :, 0])
RGBA = Image.fromarray(_smooth(channels=4))
PALETTE = RGB.quantize(16)
GRAY_16 = Image.fromarray(_smooth()[:, :, 0].astype(np.uint16) * 257)


def write_jpeg(folder: Path) -> None:
    RGB.save(folder / "plain.jpg")
    GRAY.save(folder / "gray.jpg", quality=30)
    RGB.convert("CMYK").save(folder / "cmyk.jpg")
    RGB.save(folder / "rotated.jpg", exif=_exif(), icc_profile=bytes(200))
    RGB.save(folder / "progressive.jpg", progressive=True, subsampling=2, restart_marker_rows=1)
    RGB.save(folder / "two.jpg", "MPO", save_all=True, append_images=[GRAY.convert("RGB")])


def write_png(folder: Path) -> None:
    RGB.save(folder / "plain.png", exif=_exif())
    RGBA.save(folder / "transparent.png")
    PALETTE.save(folder / "palette.png", transparency=3)
    PALETTE.save(folder / "palette_alpha.png", transparency=bytes(range(0, 256, 16)))
    GRAY_16.save(folder / "16bit.png")
    GRAY.convert("1").save(folder / "binary.png")
    RGB.save(folder / "animated.png", save_all=True, append_images=[GRAY.convert("RGB")])


def write_gif(folder: Path) -> None:
    PALETTE.save(folder / "plain.gif", transparency=2)
    PALETTE.save(folder / "interlaced.gif", interlace=1)
    frames = [RGB.rotate(angle) for angle in (10, 20, 30)]
    RGB.save(folder / "animated.gif", save_all=True, append_images=frames)


def write_bmp(folder: Path) -> None:
    RGB.save(folder / "plain.bmp")
    PALETTE.save(folder / "palette.bmp")
    GRAY.convert("1").save(folder / "binary.bmp")
    RGBA.save(folder / "transparent.bmp")


def write_webp(folder: Path) -> None:
    RGB.save(folder / "lossy.webp", exif=_exif())
    RGBA.save(folder / "lossless.webp", lossless=True)
    RGB.save(folder / "animated.webp", save_all=True, append_images=[RGB.rotate(20)])


def write_tiff(folder: Path) -> None:
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        RGB.save(folder / f"{compression}.tiff", compression=compression)
    GRAY.convert("1").save(folder / "fax.tiff", compression="group4")
    GRAY_16.save(folder / "16bit.tiff")
    GRAY.convert("F").save(folder / "float.tiff")
    RGBA.save(folder / "transparent.tiff", exif=_exif(8))
    # A copy: an image remembers how its last JPEG was encoded, and would encode pages so.
    RGB.copy().save(folder / "pages.tiff", save_all=True, append_images=[GRAY.copy()])


def write_ppm(folder: Path) -> None:
    RGB.save(folder / "plain.ppm")
    GRAY.save(folder / "gray.pgm")
    GRAY_16.save(folder / "16bit.pgm")
    GRAY.convert("1").save(folder / "binary.pbm")
    (folder / "text.ppm").write_text("P3\n# in words\n2 2\n255\n" + "12 0 255\n" * 4)


def write_avif(folder: Path) -> None:
    RGB.save(folder / "plain.avif", exif=_exif())
    RGBA.save(folder / "transparent.avif")
    RGB.save(folder / "animated.avif", save_all=True, append_images=[RGB.rotate(20)])


def repair_png(data: bytes) -> bytes:
    """New checksums for all chunks, as long as their lengths make sense."""
    output, position = io.BytesIO(), 8
    output.write(data[:8])
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4])
        if end + 4 > len(data):
            break
        output.write(data[position:end])
        output.write(zlib.crc32(data[position + 4 : end]).to_bytes(4))
        position = end + 4
    output.write(data[position:])
    return output.getvalue()


# -- data sets and checkpoints ------------------------------------------------------------------


def cifar_kind(name: str, version: int) -> Kind:
    """All files of a set, with two images each instead of 10,000 or more."""

    def shorten() -> None:
        files = cifar.SETS[name].versions[version].files
        cifar.RECORDS = {split: 2 * len(files[split]) for split in files}

    def write(folder: Path) -> None:
        shorten()
        splits = test_cifar.random_splits(name, np.random.default_rng(0))
        test_cifar.write(folder, name, version, splits)

    def read(path: Path) -> None:
        shorten()
        read_splits(cifar.open_splits(path.parent, name))

    return Kind(write, read)


def write_tars(folder: Path) -> None:
    miniature_imagenet.write_train_tar(folder)
    miniature_imagenet.write_validation_tar(folder)


def read_tar(path: Path) -> None:
    """All images of a tar of ImageNet; the devkit needs a process of its own, too slow here."""
    of_train = path.name == imagenet.TRAIN_TAR
    images = TarImages(path, train_images if of_train else validation_images)
    path.with_name(f"{path.name}.index.npz").unlink()
    for i in range(len(images.index)):
        decode(io.BytesIO(images.read(i)), images.name(i))


def write_shards(folder: Path) -> None:
    source = folder.with_name("source of shards")
    miniature_imagenet.write_train_folders(source)
    miniature_imagenet.write_validation_folders(source)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert data_command.main(["prepare", str(source), str(folder), "--size", "8"]) == 0


def read_shards(path: Path) -> None:
    splits = shards.open_splits(path.parent)
    read_splits(splits)
    for dataset in splits.values():
        dataset.name(0)
        dataset.verify()


def read_splits(splits: Splits) -> None:
    """All images of all sets."""
    for dataset in splits.values():
        for index in range(len(dataset)):
            dataset.image(index)


def write_checkpoint(folder: Path) -> None:
    Checkpoint(
        architecture="alexnet",
        classes=["ant", "bee"],
        model={"conv1.weight": np.ones((2, 3), np.float32)},
        preprocessing=Preprocessing(image_size=8, mean=(1.0, 2.0, 3.0)),
    ).save(folder / "last.safetensors")


def read_checkpoint(path: Path) -> None:
    Checkpoint.load(path)


def write_own_torch(folder: Path) -> None:
    """A checkpoint as a file of PyTorch."""
    write_checkpoint(folder)
    path = folder / "last.safetensors"
    packed = Checkpoint.load(path).packed(plain_names=True)
    path.unlink()
    torch_file.save(folder / "network.pth", *packed)


def read_torch(path: Path) -> None:
    for array in torch_file.load(path)[0].values():
        array.tobytes()


def write_caffe(folder: Path) -> None:
    """A net of each form and a mean image, of the narrowest network there is."""
    rng = np.random.default_rng(0)
    parameters = caffe_files.random_parameters(rng, 2, 67, NARROWEST)
    old = caffe_files.net(parameters, size=67, old=True, pool_first=True)
    data = caffe_files.message((1, 0.5), (3, 67), (5, 1.0), (5, 2.0), (5, 3.0))
    (folder / "old.caffemodel").write_bytes(old)
    (folder / "new.caffemodel").write_bytes(caffe_files.net(parameters, data=data))
    mean = np.ones((3, 70, 70), np.float32)
    (folder / "mean.binaryproto").write_bytes(caffe_files.mean_image(mean))


def read_caffe(path: Path) -> None:
    """A damaged mean image is that of an undamaged net."""
    given = Given(mean_image=path) if path.suffix == ".binaryproto" else None
    network = {"alexnet": functools.partial(AlexNet, width=NARROWEST)}
    network["alexnet"].variants = AlexNet.variants
    with mock.patch.dict(ARCHITECTURES, network):
        caffe.recognizes(path.read_bytes()[:4096])
        caffe.load(path.with_name("old.caffemodel") if given else path, given).build()


KINDS = {
    "jpeg": Kind(write_jpeg, read_image),
    "png": Kind(write_png, read_image, repair=repair_png),
    "gif": Kind(write_gif, read_image),
    "bmp": Kind(write_bmp, read_image),
    "webp": Kind(write_webp, read_image),
    # libtiff, in C, writes what it finds to stderr; Pillow has no switch for that.
    "tiff": Kind(write_tiff, read_image, chatter=r"[\w.]+: .*"),
    "ppm": Kind(write_ppm, read_image),
    "avif": Kind(write_avif, read_image),
    "cifar10-binary": cifar_kind("cifar10", 0),
    "cifar10-python": cifar_kind("cifar10", 1),
    "cifar100-binary": cifar_kind("cifar100", 0),
    "cifar100-python": cifar_kind("cifar100", 1),
    "tar": Kind(write_tars, read_tar),
    "parquet": Kind(
        miniature_imagenet.write_parquet, lambda path: read_splits(parquet.open_splits(path.parent))
    ),
    "shards": Kind(write_shards, read_shards),
    "checkpoint": Kind(write_checkpoint, read_checkpoint, refusal=CheckpointError),
    "torch": Kind(torch_files.write_zip, read_torch, CheckpointError, torch_files.with_checksums),
    "torch-legacy": Kind(torch_files.write_legacy, read_torch, CheckpointError),
    "torch-own": Kind(write_own_torch, load, CheckpointError, torch_files.with_checksums),
    "caffe": Kind(write_caffe, read_caffe, refusal=CheckpointError, chatter="note: .*"),
}
