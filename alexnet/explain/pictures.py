"""Numbers and images as small pictures in a page, enlarged by the browser without smoothing."""

import base64
import io
import math

import numpy as np
from PIL import Image

from alexnet.report import html
from alexnet.style import VERMILION, colormap
from alexnet.visualize.kernel_figures import DIVERGING
from alexnet.visualize.mosaic import mosaic
from alexnet.visualize.receptive_fields import Box

PALE = 200  # gray level that the rest of an image fades to
FRAME = tuple(int(VERMILION[i : i + 2], 16) for i in (1, 3, 5))


def heat_map(values: np.ndarray, alt: str) -> str:
    """Numbers (C, H, W) in colors as an <img>, a small picture for each of C channels.

    White is 0, orange negative and purple positive; numbers that are not finite are gray.
    """
    finite = np.isfinite(values)
    most = float(np.abs(values[finite]).max(initial=0.0)) or 1.0
    colors = colormap(DIVERGING)(0.5 + 0.5 * np.where(finite, values, 0) / most)[..., :3]
    colors[~finite] = 0.75
    if len(colors) > 1:
        colors = mosaic(colors, math.ceil(math.sqrt(len(colors))), background=0.6)
    else:
        colors = colors[0]
    return colored(colors, alt)


def colored(colors: np.ndarray, alt: str) -> str:
    """Colors (H, W, 3) from 0 to 1 as an <img>."""
    return _image(as_bytes(colors), alt)


def framed(pixels: np.ndarray, box: Box, alt: str) -> str:
    """An image (H, W, 3) as an <img>, with a frame around a part of it and the rest paler."""
    H, W = pixels.shape[:2]
    shown = pixels.astype(np.float64) * 0.4 + 0.6 * PALE
    top, left = max(box.top - 1, 0), max(box.left - 1, 0)
    shown[top : box.bottom + 1, left : box.right + 1] = FRAME
    part = slice(box.top, min(box.bottom, H)), slice(box.left, min(box.right, W))
    shown[part] = pixels[part]
    return _image(shown.round().astype(np.uint8), alt)


def png(pixels: np.ndarray) -> bytes:
    """An image, uint8 (H, W, 3) or (H, W), as a file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def data_url(pixels: np.ndarray) -> str:
    """The same as a URL that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png(pixels)).decode()}"


def as_bytes(colors: np.ndarray) -> np.ndarray:
    """Colors from 0 to 1 as uint8."""
    return np.round(colors * 255).clip(0, 255).astype(np.uint8)


def _image(pixels: np.ndarray, alt: str) -> str:
    return (
        f'<img class="pixels" src="{data_url(pixels)}" '
        f'alt="{html.text(alt)}" width="{pixels.shape[1]}" height="{pixels.shape[0]}">'
    )
