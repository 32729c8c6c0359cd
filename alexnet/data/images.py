"""Decoding: from the bytes of an image file to its pixels.

Any file becomes an RGB image or a `BadImage` that names it: hostile bytes can make a decoder raise
nearly any exception.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from alexnet.data.resizing import central_square, shorter_side
from alexnet.errors import BadImage

# Pillow goes by the contents, not by the name: without this list, a file called x.jpg could reach
# decoders that start other programs.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
)
# A narrower image would become huge when its shorter side is enlarged to the network's input.
MAX_ASPECT_RATIO = 100
MAX_FILE_BYTES = 2**30
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
    """Print nothing that Pillow warns about or logs, but make a decompression bomb an error.

    Warning filters belong to the whole process. They are set once, when this module is imported:
    images are decoded in threads, which cannot set and restore them around each image.
    """
    # Pillow warns of harmless things, such as cut-off EXIF data.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    # A small file may unpack into hundreds of megabytes.
    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
    # Without a handler, Python would print the errors that a library logs.
    logging.getLogger("PIL").addHandler(logging.NullHandler())


_silence_pillow()


def decode(file: Path | BinaryIO, name: str, square: int | None = None) -> np.ndarray:
    """The image in a file as uint8 (H, W, 3) RGB, upright; the first frame of an animation.

    Transparent parts become white. 16-bit gray keeps its upper 8 bits.

    Args:
        name: of the file, for errors.
        square: see `Dataset.image`.

    Raises:
        BadImage: the file is missing, damaged, or not an image of a known format.
    """
    with _opened(file, name) as image:
        width, height = image.size
        if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
            raise BadImage(f"{name}: {width}x{height} pixels, too narrow to use")
        if square is not None:
            _decode_smaller(image, square)
        # Only whole images are used: loading raises where data are missing.
        image.load()
        orientation = _orientation(image)
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
        }
        return [image.format, *(kind for kind, found in unusual.items() if found)]


@contextlib.contextmanager
def _opened(file: Path | BinaryIO, name: str) -> Iterator[Image.Image]:
    """An open image file; any error, here or within the block, becomes a `BadImage`."""
    try:
        if isinstance(file, Path):
            if file.stat().st_size > MAX_FILE_BYTES:
                raise BadImage(f"{name}: larger than {MAX_FILE_BYTES:,} bytes")
            # Given a file, a decoder reserves as many bytes as the header claims; given memory,
            # it gets no more than there are.
            file = io.BytesIO(file.read_bytes())
        with Image.open(file, formats=FORMATS) as image:
            yield image
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage(f"{name}: not an image ({', '.join(FORMATS)})") from error
    except MemoryError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise BadImage(f"{name}: cannot be read ({reason or type(error).__name__})") from error


def _decode_smaller(image: Image.Image, size: int) -> None:
    """Let the JPEG decoder scale by 1/2, 1/4 or 1/8, which is cheaper than decoding all pixels."""
    width, height = image.size
    shorter = min(width, height)
    if shorter > size:
        # draft() keeps both sides at least as long as asked for.
        image.draft(None, (width * size // shorter, height * size // shorter))


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
