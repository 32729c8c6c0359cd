"""Which columns of a parquet file hold the images and their labels."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from alexnet.errors import DataError

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

# What the columns are usually called, if their types leave a choice.
IMAGE_NAMES = ("image", "img", "images", "picture", "photo", "jpg", "jpeg", "png", "bytes")
LABEL_NAMES = (
    *("label", "labels", "fine_label", "class", "target", "class_name", "class_label"),
    *("label_name", "category", "cls", "y"),
)
# Numbers and names that are no labels.
OTHER_NAMES = frozenset(
    (
        *("id", "idx", "index", "image_id", "img_id", "__index_level_0__", "width", "height"),
        *("size", "path", "file", "file_name", "filename", "image_path", "url", "text", "caption"),
    )
)


class Columns(NamedTuple):
    """The columns of images and labels, and the names of the classes if the file has them."""

    image: str
    label: str
    classes: list[str] | None


def find_columns(file: "ParquetFile", path: Path) -> Columns:
    """Find images and labels by type, by Hugging Face's metadata, and by common names.

    Raises:
        DataError: there is none, or the choice is ambiguous, or the metadata are damaged.
    """
    from pyarrow import types

    def holds_bytes(kind: "pyarrow.DataType") -> bool:
        if types.is_struct(kind):
            index = kind.get_field_index("bytes")
            kind = kind.field(index).type if index >= 0 else kind
        return types.is_binary(kind) or types.is_large_binary(kind)

    def holds_names(kind: "pyarrow.DataType") -> bool:
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return types.is_string(kind) or types.is_large_string(kind)

    def choose(what: str, names: list[str], feature: str, usual: tuple[str, ...]) -> str:
        declared = [name for name in names if features.get(name, {}).get("_type") == feature]
        names = declared or names
        if len(names) == 1:
            return names[0]
        for name in usual:
            if name in names:
                return name
        raise DataError(
            f"{path}: cannot tell which column has the {what}, of {', '.join(schema.names[:20])}; "
            f"call it {usual[0]}"
        )

    schema = file.schema_arrow
    features = _features(schema, path)
    images = [field.name for field in schema if holds_bytes(field.type)]
    image = choose("images", images, "Image", IMAGE_NAMES)
    known = [field for field in schema if field.name.lower() not in OTHER_NAMES]
    integers = [field.name for field in known if types.is_integer(field.type)]
    strings = [field.name for field in known if holds_names(field.type)]
    declared = any(features.get(name, {}).get("_type") == "ClassLabel" for name in integers)
    # Names count where they are called labels and the numbers are not, or where there are no
    # numbers.
    called = [name for name in strings if name in LABEL_NAMES]
    if declared or any(name in LABEL_NAMES for name in integers) or not called:
        called = integers or strings
    label = choose("labels", called, "ClassLabel", LABEL_NAMES)
    classes = features.get(label, {}).get("names")
    if classes is not None:
        strings = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
        if not strings or len(set(classes)) != len(classes):
            raise DataError(f"{path}: the names of its classes are damaged; download it again")
    return Columns(image, label, classes)


def _features(schema: "pyarrow.Schema", path: Path) -> dict[str, dict]:
    """Hugging Face's metadata of each column."""
    try:
        about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = about.get("info", {}).get("features", {})
        return {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    except (ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: its metadata are damaged; download it again") from error
