"""What the page asks of a network: each method gives what one address of the server answers."""

import threading
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from alexnet import cli
from alexnet.data import Dataset
from alexnet.data.batch import Batch
from alexnet.data.labels import caption
from alexnet.errors import CheckpointError, DataError, UsageError
from alexnet.explain import number, page, text
from alexnet.explain.pictures import as_bytes, data_url, png
from alexnet.inference import layers
from alexnet.inference.evaluation import mean_log_probabilities
from alexnet.inference.trained import Trained
from alexnet.model import parameter_count
from alexnet.serve.images import Images, Shown
from alexnet.style import INTENSITY, colormap
from alexnet.visualize import kernel_figures, nearest, neighbors, pictures, saliency
from alexnet.visualize.mosaic import mosaic

TOP = 5
NEIGHBORS = 6
UNITS_PER_ROW = 64  # of a fully connected layer, drawn as a map
FILTERS_PER_ROW = 16

Json = dict[str, Any]


class Answers:
    """A network and the images that were sent to it.

    Args:
        trained: on the CPU.
        training: gives the set of images that it learned from, to find neighbors.
        computing: held while something is computed, one thing at a time: the kernels use all
            cores anyway.
    """

    def __init__(
        self, trained: Trained, training: Callable[[], Dataset], computing: threading.Lock
    ):
        self.trained = trained
        self._training = training
        self._images = Images()
        self._computing = computing
        self._index_made = threading.Lock()
        self._index: tuple[Dataset, Any] | None = None

    def warm_up(self) -> None:
        """Let all kernels be compiled that the page needs, before anybody waits for them."""
        size = self.trained.checkpoint.preprocessing.image_size
        image = self.send(png(np.zeros((size, size, 3), np.uint8)))["image"]
        for kind in ("gradient", "cam"):
            self.overlay(image, kind)
        for layer in self._images[image].passes.layers:
            self.explain(image, layer, (), gradient=True)
        self._images = Images()

    def network(self) -> Json:
        """What kind of network it is."""
        checkpoint = self.trained.checkpoint
        return {
            "architecture": checkpoint.architecture,
            "image_size": checkpoint.preprocessing.image_size,
            "parameters": parameter_count(self.trained.model),
            "classes": [caption(name) for name in self.trained.classes],
            "best": checkpoint.training.get("best_top1"),
        }

    def send(self, content: bytes) -> Json:
        """The most probable classes of an image file, and the name to ask more about it with.

        Raises:
            BadImage: it cannot be used.
        """
        with self._computing:
            name, shown = self._images.add(self.trained, content)
        probabilities = np.exp(mean_log_probabilities(shown.passes.scores[None, None]))[0]
        order = np.argsort(-probabilities, kind="stable")[:TOP]
        return {
            "image": name,
            "classes": [
                {
                    "name": caption(self.trained.classes[k]),
                    "probability": round(float(probabilities[k]), 6),
                }
                for k in order
            ],
            "layers": [
                {"name": layer.name, "shape": layer.output.shape}
                for layer in shown.passes.layers.values()
            ],
        }

    def picture(self, name: str) -> bytes:
        """The image as the network sees it, a PNG file."""
        return png(self._images[name].image.picture.pixels)

    def overlay(self, name: str, kind: str) -> bytes:
        """What speaks for the most probable class, a PNG file: "gradient" or "cam"."""
        shown = self._images[name]
        trained, inputs, label = self.trained, shown.image.inputs, shown.passes.label
        with self._computing:
            if kind == "gradient":
                scale = trained.checkpoint.preprocessing.scale
                gradient = saliency.gradient_map(
                    trained.model, inputs, label, scale, trained.device
                )
                colors = saliency.gradient_colors(gradient)
            else:
                cam = saliency.grad_cam(trained.model, inputs, label, trained.device)
                colors = saliency.cam_colors(cam, shown.image.picture.pixels)
        return png(as_bytes(colors))

    def maps(self, name: str, layer: str) -> Json:
        """All channels of a layer in one picture, and the place of its largest number."""
        output = number.require_layer(self._images[name].passes, layer).output
        values, top = _as_maps(output), float(output.max()) or 1.0
        largest = int(output.argmax())  # padded units follow the others
        columns = int(np.ceil(np.sqrt(len(values))))
        colors = colormap(INTENSITY)(values.clip(0, None) / top)[..., :3]
        return {
            "channels": len(values),
            "rows": values.shape[1],
            "columns": values.shape[2],
            "per_row": columns,
            "largest": [int(n) for n in np.unravel_index(largest, values.shape)],
            "picture": data_url(as_bytes(mosaic(colors, columns, background=0.5))),
        }

    def channel(self, name: str, layer: str, channel: int) -> Json:
        """The numbers of one map of a layer; of a fully connected layer, of all its units."""
        found = number.require_layer(self._images[name].passes, layer)
        values = _as_maps(found.output)
        if channel >= len(values):
            raise UsageError(f"{layer} has no channel {channel}: it has {len(values)}")
        numbers = [[float(f"{value:.6g}") for value in row] for row in values[channel]]
        return {"values": numbers, "units": int(found.output.size) if found.output.ndim == 1 else 0}

    def explain(self, name: str, layer: str, index: tuple[int, ...], gradient: bool) -> Json:
        """Where a number comes from, as HTML, with the pixels that it depends on."""
        shown = self._images[name]
        with self._computing:
            explanation = number.explain(
                shown.passes, shown.image, self.trained.classes, layer, index, gradient=gradient
            )
        value = text.number(float(explanation.output.value))
        return {
            "title": f"{text.title(explanation)}: {value}",
            "sentence": text.image_sentence(explanation),
            "html": page.body(explanation),
            "box": list(explanation.box),
        }

    def filters(self) -> Json:
        """The kernels of conv1 in colors, one picture."""
        convolutions = layers.convolutions(self.trained.model)
        kernels = convolutions["conv1"].weight.numpy()
        columns = layers.columns(self.trained.model, "conv1")
        colors = kernel_figures.pictures(kernels, "filter", columns)
        return {
            "filters": len(kernels),
            "picture": data_url(as_bytes(mosaic(colors, FILTERS_PER_ROW, background=1.0))),
        }

    def neighbors(self, name: str) -> Json:
        """The training images whose activations in the last hidden layer are nearest.

        Raises:
            DataError: the training images are not there.
        """
        shown = self._images[name]
        try:
            with self._index_made:
                training, index = self._index = self._index or self._made_index()
            count = min(NEIGHBORS, len(index.values))
            positions, distances = nearest.nearest(self._query(shown), index.values, count)
            found = pictures.load_pictures(
                training, index.indices[positions[0]], self.trained.checkpoint.preprocessing
            )
        except (CheckpointError, DataError, UsageError) as error:
            cli.say(cli.printable(f"training images: {error}"))
            # That names folders of this machine.
            raise DataError(
                "the training images cannot be used: the terminal of the server says why, and "
                "--data-root names the folder where they are"
            ) from error
        return {
            "layer": self.trained.chosen_layer(),
            "images": len(index.values),
            "neighbors": [
                {
                    "class": caption(self.trained.classes[picture.label]),
                    "distance": float(f"{distance:.4g}"),
                    "picture": data_url(picture.pixels),
                }
                for picture, distance in zip(found, distances[0])
            ],
        }

    def _query(self, shown: Shown) -> np.ndarray:
        values = shown.passes.layers[self.trained.chosen_layer()].output
        return values.reshape(1, -1)

    def _made_index(self) -> tuple[Dataset, Any]:
        training = self._training()
        return training, neighbors.some_index(self.trained, training, self._in_turns)

    def _in_turns(self, batches: Generator[Batch]) -> Generator[Batch]:
        """Batches, with other requests between them."""
        for batch in batches:
            with self._computing:
                yield batch


def _as_maps(output: np.ndarray) -> np.ndarray:
    """(C, H, W) as it is; the units (F,) of a fully connected layer as one map."""
    if output.ndim == 3:
        return output
    rows = -(-len(output) // UNITS_PER_ROW)
    columns = UNITS_PER_ROW if rows > 1 else len(output)
    padded = np.zeros(rows * columns, output.dtype)
    padded[: len(output)] = output
    return padded.reshape(1, rows, columns)
