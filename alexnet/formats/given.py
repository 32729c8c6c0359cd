"""What the user says of a file that does not say it itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alexnet.errors import UsageError

# Eight images of this size, which conversions compare, fit into a few gigabytes.
MAX_IMAGE_SIZE = 4096


@dataclass(frozen=True, kw_only=True)
class Given:
    """Each is used instead of what the file says or its format implies.

    Attributes:
        classes: names in the order of the network's outputs.
        names: our name of a parameter by the name that it has in the file.
        image_size: height and width of the network's input.
        mean: gray level, 0 to 255, to subtract from red, green and blue.
        std: gray levels by which red, green and blue are divided after that; where only `mean` is
            given, by nothing, or in a .caffemodel by what it says.
        mean_image: a Caffe .binaryproto, whose image is subtracted instead of `mean`.

    Raises:
        UsageError: one of them cannot be meant.
    """

    classes: list[str] | None = None
    names: dict[str, str] = field(default_factory=dict)
    image_size: int | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    mean_image: Path | None = None

    def __post_init__(self):
        if self.classes is not None:
            _require_names(self.classes)
        if self.image_size is not None:
            size = self.image_size
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise UsageError(f"image_size: expected pixels, 1 or more, got {size!r}")
            if size > MAX_IMAGE_SIZE:
                raise UsageError(f"image_size: {size} pixels are more than {MAX_IMAGE_SIZE}")
        if not isinstance(self.names, dict):
            raise UsageError(f"names: expected a dict, of ours by theirs, got {self.names!r}")
        if self.mean is not None:
            _require_gray_levels("mean", self.mean)
        if self.std is not None:
            _require_gray_levels("std", self.std)
            if not all(self.std):
                raise UsageError(f"std: nothing can be divided by 0, got {self.std}")


def _require_names(classes: list[str]) -> None:
    if not isinstance(classes, list) or not classes:
        raise UsageError(f"classes: expected a list of names, got {classes!r}")
    for name in classes:
        # Tables and lists of results have a name a line.
        if not isinstance(name, str) or not name or "\n" in name:
            raise UsageError(f"classes: {name!r} is no name: expected a line of text")


def _require_gray_levels(name: str, levels: Sequence[float]) -> None:
    valid = isinstance(levels, list | tuple) and len(levels) == 3
    try:
        valid = valid and all(0 <= level <= 255 for level in levels)
    except TypeError:  # not of numbers
        valid = False
    if not valid:
        raise UsageError(f"{name}: expected three gray levels of 0 to 255, got {levels!r}")
    # What other programs call mean and std is often for colors between 0 and 1.
    if all(0 < level < 1 for level in levels):
        scaled = ", ".join(f"{255 * level:g}" for level in levels)
        raise UsageError(
            f"{name}: {levels} are shares of 1, not gray levels of 0 to 255: give ({scaled})"
        )
