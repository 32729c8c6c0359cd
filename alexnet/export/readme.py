"""The page beside a file of a network: what it is, how good it is, and how it is used.

Everything on the page is derived from the checkpoint that the file holds.
"""

import re
from pathlib import Path
from typing import Any

from alexnet import cli, files
from alexnet.data.labels import display_name
from alexnet.data.transforms import Preprocessing
from alexnet.export import readme_code
from alexnet.export.slim import ROUNDED_TO
from alexnet.inference.layers import layer_costs
from alexnet.inference.results import proportion
from alexnet.model import ARCHITECTURES, chosen_variants, layer_values, parameter_count
from alexnet.model.layer_values import DEFAULT
from alexnet.model.variants import DEFAULTS
from alexnet.run.checkpoint import Checkpoint
from minigrad import nn

FIRST_LINE = "<!-- Written by python -m alexnet.convert, which replaces this file. -->"
LISTED_CLASSES = 100
NETWORKS = {
    "alexnet": "AlexNet (Krizhevsky, Sutskever and Hinton 2012), its two columns as groups",
    "owt": 'the AlexNet of "One weird trick" (Krizhevsky 2014), with the layers of torchvision\'s',
    "cifar": "the network for CIFAR-10 of cuda-convnet (Krizhevsky 2011)",
}
NOT_KNOWN = "Not known: the file that this one was made from does not tell."


def path_beside(file: Path) -> Path:
    """Where the page about a file is."""
    return file.with_name(f"{file.name}.README.md")


def write(checkpoint: Checkpoint, file: Path, names: str = "own") -> bool:
    """Write the page about a file.

    Args:
        checkpoint: what the file holds.
        names: as for `alexnet.export.save.save`.

    Returns:
        False where there is a page of that name which this function has not written: it is kept.

    Raises:
        OSError: it cannot be written.
    """
    path = path_beside(file)
    if path.exists() and not _is_ours(path):
        return False
    files.write(path, as_markdown(checkpoint, file, names).encode(errors="replace"))
    return True


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, encoding="utf-8", errors="replace") as page:
        return page.readline().strip() == FIRST_LINE


def as_markdown(checkpoint: Checkpoint, file: Path, names: str = "own") -> str:
    """The page."""
    model = checkpoint.build()
    size = checkpoint.preprocessing.image_size
    rounded = " and then to ".join(checkpoint.training.get(ROUNDED_TO, []))
    parameters = f"parameters, rounded to {rounded}," if rounded else "parameters (float32)"
    parts = [
        FIRST_LINE,
        f"# {_escaped(file.name)}",
        f"A network that tells {len(checkpoint.classes):,} classes of images apart: "
        f"{NETWORKS[checkpoint.architecture]}{_variant(checkpoint)}. It has "
        f"{parameter_count(model):,} {parameters} and takes color images of {size}x{size} pixels.",
        _layer_table(model, size),
        "## Classes",
        _classes(checkpoint.classes),
        "## Preprocessing",
        _preprocessing(checkpoint.preprocessing, file),
        _block(readme_code.preprocessing(checkpoint.preprocessing, file, names)),
        "## Use",
        *_use(checkpoint, model, file, names),
        "## Accuracy",
        _accuracy(checkpoint),
        "## Training",
        _training(checkpoint),
        "## License",
        "The license of the program that wrote this file is the program's. It says nothing about "
        "these parameters, nor about the images that they were learned from: under which terms "
        "they are passed on, those who pass them on have to say.",
    ]
    return "\n\n".join(parts) + "\n"


def _variant(checkpoint: Checkpoint) -> str:
    """In what a network differs from the one that its architecture has by default."""
    default = ARCHITECTURES[checkpoint.architecture].default_norm.get("kind")
    scale = checkpoint.preprocessing.scale
    usual = {} if isinstance(scale, tuple) else chosen_variants(checkpoint.architecture, {}, scale)
    usual_norm = usual.get("norm")
    differences = []
    for name, value in checkpoint.network.items():
        if value == DEFAULTS.get(name) or (name == "norm" and value == usual_norm):
            continue
        match name:
            case "pool_before_norm":
                differences.append("pool before norm")
            case "norm":
                differences.append(_norm(value, default))
            case "width" if isinstance(value, dict):
                others = [f"{n} {number:g}" for n, number in value.items() if n != DEFAULT]
                differences.append(f"width {value['default']:g} ({', '.join(others)})")
            case "groups":
                differences.append("the columns as one")
            case "without":
                differences.append(f"without {' and '.join(value)}")
            case _:
                differences.append(f"{name} {value}")
    return f", but {' and '.join(differences)}" if differences else ""


def _norm(norm: dict[str, Any], default: str | None) -> str:
    """The kind of a normalization, where it is not the default one, and its constants."""
    kind = norm.get("kind", default)
    constants = {name: number for name, number in norm.items() if name != "kind"}
    numbers = ", ".join(f"{name} {number:g}" for name, number in constants.items())
    if kind == "none":
        return "without norm"
    name = "norm" if kind == default else f"norm of the kind {kind}"
    return f"{name} with {numbers}" if numbers else name


def _layer_table(model: nn.Module, image_size: int) -> str:
    rows = [
        [cost.name, cost.kind, "x".join(map(str, cost.output_shape)), f"{cost.parameters:,}"]
        for cost in layer_costs(model, image_size)
    ]
    return _table(["layer", "kind", "output", "parameters"], rows)


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _block(code: str, language: str = "python") -> str:
    return f"```{language}\n{code.strip()}\n```"


def _escaped(name: str) -> str:
    """A name of any kind as a part of a line of Markdown."""
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
    return re.sub(r"([\\`*_\[\]<>#|~&])", r"\\\1", line)


def _classes(classes: list[str]) -> str:
    shown = ", ".join(_escaped(display_name(name)) for name in classes[:LISTED_CLASSES])
    if len(classes) > LISTED_CLASSES:
        shown += f", and {len(classes) - LISTED_CLASSES:,} more, which the file has"
    return f"In the order of the outputs: {shown}."


def _preprocessing(preprocessing: Preprocessing, file: Path) -> str:
    size, resize = preprocessing.image_size, preprocessing.resize
    words = (
        f"The central square of an image is scaled to {resize}x{resize} pixels, bilinear with "
        f"antialiasing, and the central {size}x{size} pixels of it are taken"
    )
    if file.suffix.lower() == ".onnx":
        return f"{words}. What follows is part of the graph:"
    mean = "mean of each channel" if preprocessing.mean_image is None else "mean image in the file"
    return (
        f"{words}. The {mean} is subtracted from the gray levels, 0 to 255, of red, green and "
        "blue; the rest is multiplied by a scale:"
    )


def _use(checkpoint: Checkpoint, model: nn.Module, file: Path, names: str) -> list[str]:
    code = _block(readme_code.prediction(model, file, names))
    if file.suffix.lower() == ".onnx":
        return ["With onnxruntime:", code]
    command = cli.command("python -m alexnet.predict", Path(file.name), "image.png")
    title = "With PyTorch, after the lines above:"
    if checkpoint.architecture == "owt":
        title = (
            "With PyTorch, after the lines above; `torchvision.models.alexnet(num_classes="
            f"{len(checkpoint.classes)})` is the same network:"
        )
    own = (
        "With the program that wrote it (minigrad-alexnet), in a shell, or in Python with "
        f'`alexnet.load({file.name!r}).predict("image.png")`:'
    )
    return [own, _block(command, "sh"), title, code]


def _accuracy(checkpoint: Checkpoint) -> str:
    state = checkpoint.training
    images = checkpoint.data.get("validation", {}).get("images")
    if not state.get("best_epoch") or not images:
        return NOT_KNOWN
    epoch, steps, best_epoch = state["epoch"], state.get("step", 0), state["best_epoch"]
    best = f"top-1 accuracy {state['best_top1']:.1%}"
    if (epoch, steps) != (best_epoch, 0):
        return (
            f"Not known: this is the network after {cli.counted(epoch, 'epoch')} and "
            f"{cli.counted(steps, 'step')} of another one. After epoch {best_epoch}, the best one, "
            f"it had {best} on {cli.counted(images, 'validation image')}."
        )
    right = state["best_top1"] * images
    # Where images were left out that could not be used, their number is another one.
    is_whole = abs(right - round(right)) < 1e-6
    interval = proportion(round(right), images).percentages()[1]
    sentences = [
        f"{best.capitalize()}{f' (95% interval {interval})' if is_whole else ''} on "
        f"{cli.counted(images, 'validation image')} of its run, one view of each.",
        "The run kept the epoch that was best on these very images, so on others expect less.",
    ]
    if state.get(ROUNDED_TO):
        sentences.append("This was measured before the parameters were rounded.")
    return " ".join(sentences)


def _training(checkpoint: Checkpoint) -> str:
    settings = {name: value for name, value in checkpoint.arguments.items() if value is not None}
    if not settings:
        return NOT_KNOWN
    epochs = cli.counted(checkpoint.training.get("epoch", 0), "epoch")
    if images := checkpoint.data.get("training", {}).get("images"):
        epochs += f", {cli.counted(images, 'image')} each"
    rows = [[name.replace("_", " "), layer_values.text(value)] for name, value in settings.items()]
    return f"{epochs}, with these settings:\n\n{_table(['setting', 'value'], rows)}"
