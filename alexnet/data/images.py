"""From the bytes of an image file to its pixels.

Whatever the file is, the outcome is an RGB image or a `BadImage` that names it: bytes from
strangers can make a decoder raise nearly anything.
"""

import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from alexnet.data.dataset import BadImage

# Pillow looks at the contents, not at the name: without this list a file called x.jpg could
# reach decoders that start other programs.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
)
# A longer image would become huge when its shorter side is enlarged to the network's input.
MAX_ASPECT_RATIO = 100
# Of a small file that unpacks into hundreds of megabytes Pillow only warns.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


def decode(file: Path | BinaryIO, name: str, at_least: int | None = None) -> np.ndarray:
    """The image in a file as uint8 (H, W, 3) RGB, upright; of an animation the first frame.

    Transparent parts become white. 16-bit grey keeps its upper 8 bits.

    Args:
        name: what to call the file in an error.
        at_least: see `Dataset.image`; only JPEG files can be decoded smaller.

    Raises:
        BadImage: the file is missing, damaged, or not an image of a known format.
    """
    try:
        with Image.open(file, formats=FORMATS) as image:
            width, height = image.size
            if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
                raise BadImage(f"{name}: {width}x{height} pixels, too narrow to use")
            if at_least is not None:
                _decode_smaller(image, at_least)
            return _to_rgb(ImageOps.exif_transpose(image))
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage(f"{name}: not an image ({', '.join(FORMATS)})") from error
    except MemoryError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise BadImage(f"{name}: cannot be read ({reason or type(error).__name__})") from error


def _decode_smaller(image: Image.Image, at_least: int) -> None:
    """Let the JPEG decoder scale by 1/2, 1/4 or 1/8, which is cheaper than decoding it all."""
    width, height = image.size
    shorter = min(width, height)
    if shorter > at_least:
        # draft() keeps both sides at least as long as asked for.
        image.draft(None, (width * at_least // shorter, height * at_least // shorter))


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):
        grey = np.clip(np.asarray(image) // 256, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range; save it with 8 bits")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))
