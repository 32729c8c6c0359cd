"""What every kind of image file decodes to, and what is refused."""

import io
import os
import struct
import subprocess
import sys
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile, PngInfo

from alexnet.data import images
from alexnet.data.image_formats import FORMATS, SUFFIXES
from alexnet.data.images import decode, kinds
from alexnet.data.resizing import central_square
from alexnet.errors import BadImage

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def noise(height=64, width=64):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def encoded(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def decode_bytes(data, square=None):
    return decode(io.BytesIO(data), "picture", square)


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def decode_outside_pytest(path, data, set_up=""):
    """Shape or error, in a process of its own, where a warning is a warning; it prints no more."""
    path.write_bytes(data)
    program = f"""
from pathlib import Path
from alexnet.data.images import decode
{set_up}
try:
    print(decode(Path({str(path)!r}), "picture").shape)
except Exception as error:
    print(f"{{type(error).__name__}}: {{error}}")
"""
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert done.stderr == ""
    return done.stdout.strip()


# -- what can be used -------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", sorted(SUFFIXES - {".heic", ".heif", ".hif"}))
def test_formats(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    Image.new("RGB", (9, 4), BLUE).save(path, "AVIF" if suffix == ".avif" else None)
    pixels = decode(path, "x")
    assert pixels.shape == (4, 9, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - BLUE).max() <= 3


def test_the_contents_decide_not_the_name(tmp_path):
    (tmp_path / "x.jpg").write_bytes(encoded(Image.new("RGB", (3, 2), GREEN), "PNG"))
    assert (decode(tmp_path / "x.jpg", "x") == GREEN).all()


# What an iPhone writes, and the general form that a converter may choose.
@pytest.mark.parametrize("brands", [b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0mif1heic"])
@pytest.mark.parametrize("read", [decode, kinds])
def test_heic_needs_a_package(tmp_path, monkeypatch, brands, read):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "x.jpg").write_bytes(bytes([0, 0, 0, 24]) + b"ftyp" + brands)
    with pytest.raises(BadImage, match=r"x\.jpg: .*HEIC.*pip install pillow-heif"):
        read(tmp_path / "x.jpg", "x.jpg")


def test_heic_is_read_where_the_package_is(monkeypatch):
    def register_heif_opener():
        monkeypatch.setitem(Image.OPEN, "HEIF", (lambda file, name: image, None))

    image = PngImageFile(io.BytesIO(encoded(Image.new("RGB", (3, 2), GREEN), "PNG")))
    package = SimpleNamespace(register_heif_opener=register_heif_opener)
    monkeypatch.setitem(sys.modules, "pillow_heif", package)
    assert (decode_bytes(bytes([0, 0, 0, 16]) + b"ftypheic" + bytes(4)) == GREEN).all()


def test_avif_needs_a_pillow_that_has_it(monkeypatch):
    data = encoded(Image.new("RGB", (9, 4), BLUE), "AVIF")
    monkeypatch.setattr("PIL.AvifImagePlugin.SUPPORTED", False)
    refused(data, "AVIF, which Pillow cannot read here: pip install")
    monkeypatch.setitem(sys.modules, "PIL.AvifImagePlugin", None)  # Pillow before 11.3
    refused(data, "AVIF, which Pillow cannot read here: pip install")


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_one_pixel(format):
    assert decode_bytes(encoded(Image.new("RGB", (1, 1), RED), format)).shape == (1, 1, 3)


def test_cmyk_jpeg():
    data = encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")
    assert np.abs(decode_bytes(data).astype(int) - RED).max() <= 5


def test_gray_and_black_and_white():
    assert (decode_bytes(encoded(Image.new("L", (3, 2), 77), "PNG")) == 77).all()
    assert (decode_bytes(encoded(Image.new("1", (3, 2), 1), "PNG")) == 255).all()


def test_palette():
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putdata([1, 0])
    assert decode_bytes(encoded(image, "PNG")).tolist() == [[[*GREEN], [*RED]]]
    white = [255, 255, 255]
    one_color = encoded(image, "PNG", transparency=1)
    assert decode_bytes(one_color).tolist() == [[white, [*RED]]]
    half = encoded(image, "PNG", transparency=bytes([128, 255]))
    assert decode_bytes(half).tolist() == [[[*GREEN], [255, 127, 127]]]


def test_transparency_becomes_white():
    image = Image.new("RGBA", (3, 1))
    image.putdata([(255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 128)])
    assert decode_bytes(encoded(image, "PNG"))[0].tolist() == [[255, 0, 0], [255] * 3, [127] * 3]


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_16_bit_gray(format):
    values = np.array([[0, 255, 256], [0x1234, 40_000, 65_535]], np.uint16)
    pixels = decode_bytes(encoded(Image.fromarray(values), format))
    assert pixels[:, :, 0].tolist() == (values >> 8).tolist()
    assert (pixels == pixels[:, :, :1]).all()


def test_16_bit_rgb():
    # Pillow cannot write them. A sample of PPM is two bytes, the upper one first.
    data = b"P6 2 1 65535\n" + bytes([0x12, 0x34, 0xFF, 0xFF, 0, 0, 0x80, 0, 0, 1, 0xAB, 0xCD])
    assert decode_bytes(data).tolist() == [[[0x12, 0xFF, 0], [0x80, 0, 0xAB]]]


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_of_an_animation(format):
    first, *others = (Image.new("RGB", (4, 4), color) for color in (GREEN, RED, BLUE))
    data = encoded(first, format, save_all=True, append_images=others)
    assert np.abs(decode_bytes(data).astype(int) - GREEN).max() <= 3


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotation_that_the_camera_noted(format, orientation):
    """A file stored in each of the eight ways shows the same upright picture."""
    upright = np.full((64, 96, 3), 128, np.uint8)
    upright[:32, :48], upright[:32, 48:], upright[32:, :48] = RED, GREEN, BLUE
    # What the camera stored: the first row is the visual ... (EXIF 2.3, tag 274).
    stored = {
        1: upright,  # top
        2: upright[:, ::-1],  # top, mirrored
        3: upright[::-1, ::-1],  # bottom
        4: upright[::-1],  # bottom, mirrored
        5: upright.transpose(1, 0, 2),  # left side
        6: upright.transpose(1, 0, 2)[::-1],  # right side
        7: upright.transpose(1, 0, 2)[::-1, ::-1],  # right side, mirrored
        8: upright.transpose(1, 0, 2)[:, ::-1],  # left side, mirrored
    }[orientation]
    image = Image.fromarray(np.ascontiguousarray(stored))
    data = encoded(image, format, exif=exif(orientation))
    pixels = decode_bytes(data).astype(int)
    height, width = pixels.shape[:2]
    assert (height, width) == (64, 96)
    for row, column, color in [(1, 1, RED), (1, 3, GREEN), (3, 1, BLUE), (3, 3, (128,) * 3)]:
        pixel = pixels[row * height // 4, column * width // 4]
        assert np.abs(pixel - color).max() < 40, (row, column)


# Under pytest every warning is an error; what the module itself decides is meant here.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("cut", range(8, 60, 3))
def test_damaged_exif_data_do_not_spoil_a_picture(cut):
    tags = exif(3)
    tags[0x010F] = "the name of a camera"
    block = tags.tobytes()
    cut_off, no_header = block[:cut] + bytes(len(block)), block[:6] + b"?" + block[7:]
    for format in ("JPEG", "PNG"):
        for damaged in (cut_off, no_header):
            data = encoded(Image.new("RGB", (16, 8), RED), format, exif=damaged)
            assert np.abs(decode_bytes(data).astype(int) - RED).max() <= 5


def test_rotation_is_undone_where_other_tags_cannot_be_rewritten(tmp_path):
    entry = b"\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"  # orientation 6
    damaged = b"\x00\x01\x07\x00\xff\xff\xff\x7f\xff\xff\xff\x7f"  # 2 GB, far behind the end
    block = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x02\x00" + damaged + entry + bytes(4)
    data = encoded(Image.new("RGB", (16, 8), RED), "JPEG", exif=block)
    assert decode_outside_pytest(tmp_path / "x.jpg", data) == "(16, 8, 3)"


# -- the central square only ----------------------------------------------------------------------


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("size", [(64, 64), (65, 64), (64, 91), (127, 64), (40, 30)])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_square_is_that_of_the_whole_image(format, size, orientation):
    """Bit for bit, as long as the decoder does not scale: below twice the size."""
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    data = encoded(Image.fromarray(pixels), format, exif=exif(orientation))
    whole, square = decode_bytes(data), decode_bytes(data, square=64)
    assert square.shape == (min(64, *size),) * 2 + (3,)
    assert np.array_equal(central_square(square, 64), central_square(whole, 64))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16"])
def test_square_of_other_modes(mode):
    image = Image.fromarray(noise(70, 100))
    if mode == "I;16":
        image = Image.fromarray(noise(70, 100)[:, :, 0].astype(np.uint16) * 200)
    else:
        image = image.convert(mode)
    data = encoded(image, "TIFF")
    whole, square = decode_bytes(data), decode_bytes(data, square=64)
    assert np.array_equal(central_square(square, 64), central_square(whole, 64))


def test_square_of_an_image_with_a_transparent_color():
    pixels = noise(70, 100) // 128 * 255
    data = encoded(Image.fromarray(pixels), "PNG", transparency=(255, 0, 255))
    whole, square = decode_bytes(data), decode_bytes(data, square=64)
    assert (whole[(pixels == (255, 0, 255)).all(axis=2)] == 255).all()
    assert np.array_equal(central_square(square, 64), central_square(whole, 64))


@pytest.mark.parametrize("size", [(256, 256), (257, 255), (511, 800), (512, 512), (2049, 2048)])
@pytest.mark.parametrize("square", [31, 32, 33, 255, 256, 257])
def test_square_is_never_enlarged_nor_decoded_too_small(size, square, monkeypatch):
    loaded = []
    load = JpegImageFile.load
    monkeypatch.setattr(JpegImageFile, "load", lambda self: loaded.append(self.size) or load(self))
    data = encoded(Image.new("RGB", size), "JPEG", quality=20)
    assert decode_bytes(data, square).shape == (min(square, *size),) * 2 + (3,)
    shorter = min(loaded[0])
    assert min(*size, square) <= shorter
    # Half of it would not do, except beyond the decoder's limit of 1/8.
    assert shorter // 2 <= square or shorter <= -(-min(size) // 8)


def test_a_square_decoded_smaller_shows_the_same_picture():
    wave = 128 + 100 * np.sin(np.arange(512) / 40)
    image = Image.fromarray(np.repeat(wave[:, None], 640, axis=1).astype(np.uint8)).convert("RGB")
    pixels = decode_bytes(encoded(image, "JPEG", quality=95), square=128)
    assert pixels.shape == (128, 128, 3)
    expected = np.asarray(image.reduce(4)).astype(int)[:, 16:144]
    assert np.abs(pixels - expected).max() <= 4


# -- large images ---------------------------------------------------------------------------------


@pytest.fixture
def small_bounds(monkeypatch):
    """What is said of large images holds of some with a few thousand pixels."""
    monkeypatch.setattr(images, "LARGE_PIXELS", 3000)
    monkeypatch.setattr(images, "BAND_PIXELS", 700)
    yield
    images.set_max_pixels(images.MAX_PIXELS)


def test_a_large_photo_is_used_without_a_word(tmp_path):
    """Pillow alone warns above 89 million pixels, and refuses twice as many."""
    photo = encoded(Image.new("L", (15_000, 12_500), 77), "JPEG", quality=20)
    set_up = "import functools; decode = functools.partial(decode, square=64)"
    assert decode_outside_pytest(tmp_path / "x.jpg", photo, set_up) == "(1563, 1875, 3)"


@pytest.mark.parametrize("progressive", [False, True])
def test_the_whole_of_a_large_photo(small_bounds, progressive):
    """The decoder's fractions are 1/2, 1/4 and 1/8."""
    image = Image.linear_gradient("L").resize((640, 80)).convert("RGB")
    data = encoded(image, "JPEG", quality=95, progressive=progressive)
    pixels = decode_bytes(data)
    assert pixels.shape == (10, 80, 3)
    assert np.abs(pixels.astype(int) - np.asarray(image.reduce(8))).max() < 8


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "I;16", "1", "CMYK"])
@pytest.mark.parametrize("orientation, size", [(1, (173, 91)), (6, (174, 93))])
def test_large_images_come_at_a_fraction(small_bounds, mode, orientation, size):
    """The mean of the pixels, band by band, as if the whole image had been converted."""
    image = Image.fromarray(noise(*size))
    if mode == "I;16":
        image = Image.fromarray(noise(*size)[:, :, 0].astype(np.uint16) * 256)
    elif mode == "P":
        image = image.quantize(8)
    else:
        image = image.convert(mode)
    format = "TIFF" if mode == "CMYK" else "PNG"
    data = encoded(image, format, exif=exif(orientation))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "LARGE_PIXELS", 10**9)
        whole = Image.fromarray(decode_bytes(data))
    pixels = decode_bytes(data)
    assert pixels.shape == ((58, 31, 3) if orientation == 1 else (31, 58, 3))
    assert np.array_equal(pixels, whole.reduce(3))
    assert decode_bytes(data, square=16).shape == (16, 16, 3)


def test_a_square_of_a_large_image_is_that_of_all_its_pixels(small_bounds):
    wave = 128 + 100 * np.sin(np.arange(528) / 40)
    image = Image.fromarray(np.repeat(wave[:, None], 660, axis=1).astype(np.uint8)).convert("RGB")
    expected = central_square(image, 32).astype(int)
    assert np.abs(decode_bytes(encoded(image, "PNG"), square=32) - expected).max() <= 4


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP"])
def test_the_bound_is_said_with_the_size_and_the_option(small_bounds, format):
    data = encoded(Image.new("RGB", (70, 50)), format)
    images.set_max_pixels(3500)
    assert min(decode_bytes(data, square=9).shape[:2]) == 9
    images.set_max_pixels(3499)
    refused(data, "70x50 are 3,500 pixels, more than --max-pixels 3499 allows")


def test_a_small_file_that_unpacks_into_gigabytes():
    """A PNG of 1 kB says that it has 4 gigapixels."""
    data = encoded(Image.new("L", (99, 99)), "PNG")
    size = struct.pack(">II", 65_535, 65_535)
    header = b"IHDR" + size + data[24:29]
    bomb = data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    refused(bomb, "65535x65535 are 4,294,836,225 pixels, more than --max-pixels 250000000")


def test_a_text_that_unpacks_into_megabytes():
    text = PngInfo()
    text.add_text("comment", "a" * 10**7, zip=True)
    data = encoded(Image.new("L", (9, 9)), "PNG", pnginfo=text)
    assert len(data) < 20_000
    refused(data, "cannot be read (")


# -- what is refused ---------------------------------------------------------------------------


def refused(data, reason="", square=None):
    with pytest.raises(BadImage) as caught:
        decode_bytes(data, square)
    message = str(caught.value)
    assert message.startswith("picture: ") and "\n" not in message
    assert reason in message


@pytest.mark.parametrize(
    "data", [b"", b"this is no image", b"%!PS-Adobe-3.0 EPSF-3.0\n", bytes(99)]
)
def test_not_an_image(data):
    refused(data, "not an image (JPEG, PNG")


def test_a_postscript_file_is_never_run(tmp_path):
    eps = encoded(Image.new("RGB", (4, 4)), "EPS")
    (tmp_path / "x.jpg").write_bytes(eps)
    with pytest.raises(BadImage, match=r"x\.jpg: not an image"):
        decode(tmp_path / "x.jpg", "x.jpg")


def test_missing_file(tmp_path):
    with pytest.raises(BadImage, match=r"gone: cannot be read \(No such file"):
        decode(tmp_path / "gone.png", "gone")


@pytest.mark.parametrize("format", sorted(FORMATS.keys() - {"HEIF"}))
@pytest.mark.parametrize("square", [None, 16])
def test_truncated_anywhere(format, square):
    data = encoded(Image.fromarray(noise()), format)
    for percent in range(0, 100, 5):
        refused(data[: len(data) * percent // 100], square=square)


def test_overwritten_with_zeros():
    data = encoded(Image.fromarray(noise()), "JPEG")
    refused(data[:30] + bytes(len(data) - 30))


def test_too_narrow():
    refused(encoded(Image.new("RGB", (30_000, 1)), "PNG"), "30000x1 pixels, too narrow")
    refused(encoded(Image.new("RGB", (1, 101)), "PNG"), "1x101 pixels, too narrow")
    assert decode_bytes(encoded(Image.new("RGB", (1, 100)), "PNG")).shape == (100, 1, 3)


def test_floating_point_pixels():
    refused(encoded(Image.new("F", (4, 4)), "TIFF"), "floating-point")


def test_a_header_cannot_reserve_memory(tmp_path):
    """A PNG of 70 bytes that claims 4 GB of pixels."""
    data = encoded(Image.new("RGB", (4, 4)), "PNG")
    length = data.index(b"IDAT") - 4
    bomb = data[:length] + b"\xff" * 4 + data[length + 4 :]
    set_up = """
import resource
in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + 2**29, in_use + 2**29))
"""
    # All its pixels are there, so it can be read.
    assert decode_outside_pytest(tmp_path / "x.png", bomb, set_up) == "(4, 4, 3)"


def test_huge_file(tmp_path):
    with open(tmp_path / "x.png", "wb") as file:
        file.truncate(2**30 + 1)  # sparse: it takes no room on the disk
    with pytest.raises(BadImage, match="x: larger than 1,073,741,824 bytes"):
        decode(tmp_path / "x.png", "x")


# -- kinds ---------------------------------------------------------------------------------------


def test_kinds():
    def of(image, format, **options):
        return kinds(io.BytesIO(encoded(image, format, **options)), "x")

    rgb = Image.fromarray(noise(8, 8))
    assert of(rgb, "JPEG") == ["JPEG"]
    assert of(rgb.convert("CMYK"), "JPEG") == ["JPEG", "CMYK"]
    assert of(rgb.convert("L"), "JPEG") == ["JPEG", "greyscale"]
    assert of(rgb.quantize(4), "PNG") == ["PNG", "palette"]
    assert of(rgb.quantize(4), "PNG", transparency=0) == ["PNG", "palette", "transparent"]
    assert of(Image.new("RGBA", (8, 8)), "WEBP") == ["WEBP", "transparent"]
    assert of(rgb, "JPEG", exif=exif(6)) == ["JPEG", "EXIF-rotated"]
    assert of(rgb, "JPEG", exif=exif(1)) == ["JPEG"]
    assert of(Image.fromarray(np.zeros((2, 2), np.uint16)), "PNG") == ["PNG", "greyscale", "16-bit"]
    animated = of(rgb.quantize(4), "GIF", save_all=True, append_images=[rgb.quantize(5)])
    assert animated == ["GIF", "palette", "animated"]
    assert of(rgb, "TIFF", save_all=True, append_images=[rgb]) == ["TIFF", "animated"]
    large = of(Image.new("1", (8200, 8200)), "PNG")
    assert large == ["PNG", "greyscale", "over 67 megapixels, used at a fraction"]
    with pytest.raises(BadImage, match="x: not an image"):
        kinds(io.BytesIO(b"text"), "x")
