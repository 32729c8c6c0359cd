"""What the user says of a file that does not say it itself."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Given:
    """Each is used instead of what the file says or its format implies.

    Attributes:
        classes: names in the order of the network's outputs.
        names: our name of a parameter by the name that it has in the file.
        image_size: height and width of the network's input.
        mean: gray level, 0 to 255, to subtract from red, green and blue.
        std: gray levels by which red, green and blue are divided after that.
        mean_image: a Caffe .binaryproto, whose image is subtracted instead of `mean`.
    """

    classes: list[str] | None = None
    names: dict[str, str] = field(default_factory=dict)
    image_size: int | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    mean_image: Path | None = None
