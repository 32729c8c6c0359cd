"""Which image files are used: their formats, their suffixes, and what Pillow can read here."""

FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
}
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)

# The first box of an AVIF or HEIF file, "ftyp", lists brands; mif1 and msf1 are those of both.
HEADER_BYTES = 64
AVIF_BRANDS = frozenset((b"avif", b"avis"))
HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)


def formats_to_try(header: bytes) -> list[str]:
    """Pillow's names of the formats that a file can have, by its first `HEADER_BYTES`.

    The list keeps a file called x.jpg from reaching decoders that start other programs.

    Raises:
        ValueError: it has a format that cannot be read here; the message says what to install.
    """
    brands = _brands(header)
    if brands & AVIF_BRANDS:
        _require_avif()
        return ["AVIF"]
    if brands & HEIF_BRANDS:
        _require_heif()
        return ["HEIF"]
    return [name for name in FORMATS if name not in ("AVIF", "HEIF")]


def _brands(header: bytes) -> set[bytes]:
    if header[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(header[:4], "big"), len(header))
    return {header[i : i + 4] for i in (8, *range(16, end, 4))}  # at 12 is a version


def _require_avif() -> None:
    try:
        from PIL.AvifImagePlugin import SUPPORTED
    except ImportError:
        SUPPORTED = False
    if not SUPPORTED:
        raise ValueError(
            "AVIF, which Pillow cannot read here: pip install --upgrade 'pillow>=11.3'"
        )


def _require_heif() -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise ValueError(
            "HEIC, which Pillow cannot read by itself: pip install pillow-heif"
        ) from error
    register_heif_opener()
