"""Decoding: from the bytes of an image file to its pixels.

Any file becomes an RGB image or a `BadImage` that names it: hostile bytes can make a decoder raise
nearly any exception.
"""

import contextlib
import io
import logging
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from alexnet.data.image_formats import FORMATS, HEADER_BYTES, formats_to_try
from alexnet.data.resizing import central_square, shorter_side
from alexnet.errors import BadImage

# A narrower image would become huge when its shorter side is enlarged to the network's input.
MAX_ASPECT_RATIO = 100
MAX_FILE_BYTES = 2**30
# Pixels of an image: a small file may unpack into gigabytes. Decoding takes 4 bytes a pixel, some
# formats take up to four times as much (docs/data.md).
MAX_PIXELS = 250_000_000
# Larger images are used at a fraction of their size: no second copy of them is ever in memory.
LARGE_PIXELS = 2**26
BAND_PIXELS = 2**22
# Undoes the rotation that a camera noted in the EXIF tag "orientation".
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _silence_pillow() -> None:
    """Print nothing that Pillow warns about or logs.

    Warning filters belong to the whole process. They are set once, when this module is imported:
    images are decoded in threads, which cannot set and restore them around each image.
    """
    # Pillow warns of harmless things, such as cut-off EXIF data.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    # Pillow's own bound on the size; `decode` has one that can be chosen.
    Image.MAX_IMAGE_PIXELS = None
    # Without a handler, Python would print the errors that a library logs.
    logging.getLogger("PIL").addHandler(logging.NullHandler())


_silence_pillow()
_max_pixels = MAX_PIXELS


def set_max_pixels(count: int) -> None:
    """Bound the size of images, for the whole process, as --max-pixels does; `MAX_PIXELS` at first.

    Args:
        count: width times height; `decode` refuses images that have more.
    """
    global _max_pixels
    _max_pixels = count


def decode(file: Path | BinaryIO, name: str, square: int | None = None) -> np.ndarray:
    """The image in a file as uint8 (H, W, 3) RGB, upright; the first frame of an animation.

    Transparent parts become white. 16-bit gray keeps its upper 8 bits. An image of more than
    `LARGE_PIXELS` comes at a fraction of its size that has no more.

    Args:
        name: of the file, for errors.
        square: see `Dataset.image`.

    Raises:
        BadImage: the file is missing, damaged, too large, or not an image of a known format.
    """
    with _opened(file, name) as image:
        _require_usable_size(image, name)
        _decode_smaller(image, square)
        return _pixels(image, square)


def from_pillow(image: Image.Image, name: str, square: int | None = None) -> np.ndarray:
    """An image that Pillow holds as uint8 (H, W, 3), by the rules of `decode`.

    Raises:
        BadImage: it is too large, or its file is damaged.
    """
    with _named(name):
        _require_usable_size(image, name)
        return _pixels(image, square)


def from_array(image: np.ndarray, name: str) -> np.ndarray:
    """An array of pixels as uint8 (H, W, 3).

    Args:
        image: (H, W) gray, (H, W, 1), (H, W, 3) or (3, H, W) RGB, uint8 of 0 to 255, or float of
            0 to 1.

    Raises:
        BadImage: it is no such array, or too large.
    """
    shape = "x".join(map(str, image.shape))
    if image.ndim == 2:
        image = image[:, :, np.newaxis]
    elif image.ndim == 3 and image.shape[0] in (1, 3) and image.shape[2] not in (1, 3):
        image = image.transpose(1, 2, 0)
    if image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape:
        raise BadImage(
            f"{name}: an array of {shape} is no image; expected height x width x 3 (RGB), "
            "3 x height x width, or height x width (gray)"
        )
    _require_usable_sides(image.shape[1], image.shape[0], name)
    if image.dtype.kind == "f":
        # Compared so that NaN is refused.
        if not (image.min() >= 0 and image.max() <= 1):
            raise BadImage(
                f"{name}: numbers from {image.min():.3g} to {image.max():.3g}; give float pixels "
                "from 0 to 1, or uint8 from 0 to 255, without subtracting a mean"
            )
        image = np.rint(image.astype(np.float32) * 255).astype(np.uint8)
    elif image.dtype != np.uint8:
        raise BadImage(f"{name}: pixels of {image.dtype}; expected uint8, or float from 0 to 1")
    return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))


def _pixels(image: Image.Image, square: int | None) -> np.ndarray:
    """An open image as RGB, upright."""
    # Only whole images are used: loading raises where data are missing.
    image.load()
    orientation = _orientation(image)
    if image.width * image.height > LARGE_PIXELS:
        image = _reduced(image, square)
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    if square is not None and _is_plain(image):
        return central_square(image, min(square, shorter_side(image)))
    return _to_rgb(image)


def kinds(file: Path | BinaryIO, name: str) -> list[str]:
    """The format of an image file, and what is unusual about it, by its header alone.

    Raises:
        BadImage: the file is missing, or not an image of a known format.
    """
    with _opened(file, name) as image:
        stored_as = str(image.tile[0].args if image.tile else "")
        unusual = {
            "greyscale": image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I"),
            "CMYK": image.mode == "CMYK",
            "palette": image.mode in ("P", "PA"),
            "16-bit": image.mode.startswith("I") or ";16" in stored_as,
            "transparent": image.has_transparency_data,
            "EXIF-rotated": _orientation(image) in UPRIGHT,
            "animated": _is_animated(image),
            f"over {LARGE_PIXELS / 1e6:.0f} megapixels, used at a fraction": (
                image.width * image.height > LARGE_PIXELS
            ),
        }
        return [image.format, *(kind for kind, found in unusual.items() if found)]


@contextlib.contextmanager
def _opened(file: Path | BinaryIO, name: str) -> Iterator[Image.Image]:
    """An open image file; any error, here or within the block, becomes a `BadImage`."""
    with _named(name):
        if isinstance(file, Path):
            if file.stat().st_size > MAX_FILE_BYTES:
                raise BadImage(f"{name}: larger than {MAX_FILE_BYTES:,} bytes")
            # Given a file, a decoder reserves as many bytes as the header claims; given memory,
            # it gets no more than there are.
            file = io.BytesIO(file.read_bytes())
        formats = formats_to_try(file.read(HEADER_BYTES))
        file.seek(0)
        with Image.open(file, formats=formats) as image:
            yield image


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Any error within this block becomes a `BadImage` that names the image."""
    try:
        yield
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage(f"{name}: not an image ({', '.join(FORMATS)})") from error
    except MemoryError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise BadImage(f"{name}: cannot be read ({reason or type(error).__name__})") from error


def _require_usable_size(image: Image.Image, name: str) -> None:
    _require_usable_sides(*image.size, name)


def _require_usable_sides(width: int, height: int, name: str) -> None:
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise BadImage(f"{name}: {width}x{height} pixels, too narrow to use")
    if width * height > _max_pixels:
        raise BadImage(
            f"{name}: {width}x{height} are {width * height:,} pixels, more than --max-pixels "
            f"{_max_pixels} allows"
        )


def _decode_smaller(image: Image.Image, square: int | None) -> None:
    """Let the JPEG decoder scale by 1/2, 1/4 or 1/8, which is cheaper than decoding all pixels."""
    width, height = image.size
    shorter = min(width, height)
    # draft() keeps both sides at least as long as asked for.
    if square is not None and shorter > square:
        image.draft(None, (width * square // shorter, height * square // shorter))
    elif width * height > LARGE_PIXELS:
        divisor = 2 ** math.ceil(math.log2(width * height / LARGE_PIXELS) / 2)
        image.draft(None, (width // divisor, height // divisor))


def _reduced(image: Image.Image, square: int | None) -> Image.Image:
    """A large image as RGB, its sides divided by a whole number, so that few pixels are left.

    These are no more than `LARGE_PIXELS`, and where a square is all that is needed, still at least
    twice its size. Each pixel is the mean of those that it replaces. Only a band of the image at a
    time is converted: that takes several times the memory of its pixels.
    """
    divisor = math.ceil(math.sqrt(image.width * image.height / LARGE_PIXELS))
    if square is not None:
        divisor = max(divisor, min(image.size) // (2 * square))
    height = divisor * max(1, BAND_PIXELS // (divisor * image.width))
    bands = []
    for top in range(0, image.height, height):
        band = image.crop((0, top, image.width, min(top + height, image.height)))
        bands.append(np.asarray(Image.fromarray(_to_rgb(band)).reduce(divisor)))
    return Image.fromarray(np.concatenate(bands))


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:
        return None  # the pixels can be good where the EXIF data are damaged


def _is_animated(image: Image.Image) -> bool:
    try:
        return getattr(image, "is_animated", False)
    except Exception:
        return True  # a second frame begins, but is damaged


def _is_plain(image: Image.Image) -> bool:
    return image.mode == "RGB" and not image.has_transparency_data


def _to_rgb(image: Image.Image) -> np.ndarray:
    if _is_plain(image):
        return np.asarray(image)  # convert() would copy it
    if image.mode.startswith("I"):
        gray = np.clip(np.asarray(image) // 256, 0, 255).astype(np.uint8)
        return np.repeat(gray[:, :, np.newaxis], 3, axis=2)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range; save it with 8 bits")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))
