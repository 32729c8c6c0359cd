"""The pictures of a trained network from Python: methods that return a matplotlib Figure.

A notebook shows the figure that a cell returns; ``figure.savefig(path)`` keeps it. Nothing goes
through pyplot, so no display is needed, and any thread will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alexnet.data import Dataset
from alexnet.errors import UsageError
from alexnet.inference.inputs import Images
from alexnet.inference.results import Results
from alexnet.inference.trained import Trained
from alexnet.visualize import (
    activations,
    curves,
    filters,
    map,
    neighbors,
    normalization,
    pictures,
    responses,
    result_figures,
    saliency,
)
from alexnet.visualize.arguments import require_choice, require_count
from alexnet.visualize.kernel_figures import NORMALIZATIONS
from alexnet.visualize.nearest import DISTANCES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TrainedWithFigures(Trained):
    """A trained network, and the pictures of it.

    Where a picture is about images, they are what `predict` takes, or a data set, of which `count`
    images of all classes in turn are shown; by default the validation set of the run. `seed`
    decides which these are.

    All methods raise UsageError for an argument that does not make sense, and DataError for images
    that cannot be used; CheckpointError where the run has not kept what the picture shows, or was
    trained on other images than those that are there now.
    """

    # -- of the network and its run ----------------------------------------------------------------

    def show_filters(
        self,
        layer: str = "conv1",
        *,
        normalize: str = "filter",
        epochs: bool | int | list[int] = False,
        channels: list[int] | None = None,
    ) -> Figure:
        """The kernels of conv1, as the paper's figure 3; of a later layer slice by slice.

        Args:
            layer: conv1 to conv5.
            normalize: what has full contrast in conv1: each "filter", each "column" of the
                network, or all filters: "joint".
            epochs: True for conv1 through the epochs of a run with ``snapshot_filters=True``; a
                number, or up to eight, for conv1 after these, 0 for the start.
            channels: of a later layer; by default 12 evenly spaced ones.
        """
        require_choice("normalize", normalize, NORMALIZATIONS)
        if layer == "conv1" and channels is not None:
            raise UsageError("channels: all kernels of conv1 are shown; choose a later layer")
        if epochs is False or epochs == []:
            return filters.kernels(self, layer, normalize, channels)
        if layer != "conv1":
            raise UsageError(f"epochs: only the kernels of conv1 are kept, not those of {layer}")
        if epochs is True:
            return filters.kernels_by_epoch(self, normalize)
        chosen = [epochs] if isinstance(epochs, int) else list(epochs)
        return filters.kernels_by_epoch(self, normalize, chosen)

    def show_patches(
        self,
        layer: str = "conv3",
        *,
        channels: list[int] | None = None,
        data: Dataset | Path | str | None = None,
        split: str = "validation",
    ) -> Figure:
        """The image patches that excite some channels of a layer most, from a whole set.

        Args:
            layer: conv1 to conv5.
            channels: by default 12 evenly spaced ones.
            data, split: see `evaluate`.
        """
        filters.chosen_channels(self, layer, channels)
        dataset = pictures.choose_set(self, split, data)
        return filters.strongest_patches(self, layer, dataset, split, channels)

    def show_responses(self, method: str = "fourier", *, epoch: int | None = None) -> Figure:
        """What gratings conv1's kernels respond to: orientation, frequency, color.

        Args:
            method: "fourier": exact; "gratings": measured, by showing gratings to the layer.
            epoch: after which, of a run with ``snapshot_filters=True``, 0 for the start.
        """
        require_choice("method", method, responses.METHODS)
        return responses.overview(self, responses.measure(self, method, epoch))

    def show_curves(self, *others: Path | str) -> Figure:
        """Loss, accuracy, learning rate and speed of the run, epoch by epoch.

        Args:
            others: folders of runs to compare it with.
        """
        return curves.curves([self.folder, *(Path(folder) for folder in others)])

    # -- of images ---------------------------------------------------------------------------------

    def show_predictions(
        self,
        images: Images | Dataset | None = None,
        *,
        count: int = 8,
        seed: int = 0,
        views: int = 1,
    ) -> Figure:
        """Images, each with its five most probable classes, as the paper's figure 4.

        At most 12 images are shown.

        Args:
            views: see `predict`.
        """
        require_choice("views", views, (1, 10))
        most = result_figures.PICTURED_IMAGES
        chosen = pictures.choose_images(self, images, count, seed, most)
        indices = np.arange(len(chosen))
        return result_figures.predictions(
            result_figures.predict_images(self, chosen, indices, views)
        )

    def show_activations(
        self,
        image: Images | None = None,
        layers: Sequence[str] | None = None,
        *,
        maps: int = activations.MAPS,
    ) -> Figure:
        """What some layers compute for one image: their strongest feature maps.

        Args:
            image: by default one of the validation set of the run.
            layers: conv1 to conv5, norm1, pool1 and so on; by default all convolutions.
            maps: of each layer, those with the largest mean.
        """
        names = activations.chosen_layers(self, [layers] if isinstance(layers, str) else layers)
        require_count("maps", maps)
        chosen = pictures.choose_images(self, image, 1)
        if len(chosen) > 1:
            raise UsageError(f"image: the feature maps of one are shown, not of {len(chosen)}")
        (prepared,) = pictures.prepare_images(self, chosen)
        return activations.activations(self, prepared, names, maps)

    def show_normalization(
        self,
        images: Images | Dataset | None = None,
        *,
        count: int = normalization.IMAGES,
        seed: int = 0,
    ) -> Figure:
        """What the response normalizations do to activations of images: output over input.

        Args:
            seed: decides also which activations are taken.
        """
        normalization.require_normalization(self)
        chosen = pictures.choose_images(self, images, count, seed)
        return normalization.overview(self, normalization.measure(self, chosen, seed))

    def show_saliency(
        self,
        images: Images | Dataset | None = None,
        *,
        count: int = 4,
        seed: int = 0,
        square: int | None = None,
    ) -> Figure:
        """What the most probable class of each image rests on: gradient, and occlusion.

        At most 50 images are shown.

        Args:
            square: side of the square that is moved over the image, pixels; by default a sixth of
                the image's.
        """
        if square is not None:
            require_count("square", square)
        square = saliency.chosen_square(self, square)
        chosen = pictures.choose_images(self, images, count, seed, pictures.MAX_ROWS)
        rows = [
            (image.picture, result) for image, result in saliency.explained(self, chosen, square)
        ]
        return saliency.saliency_figure(rows, self.classes, square)

    def show_neighbors(
        self,
        images: Images | Dataset | None = None,
        *,
        count: int = 8,
        seed: int = 0,
        k: int = neighbors.NEIGHBORS,
        distance: str = DISTANCES[0],
    ) -> Figure:
        """Images, each with the training images that are nearest to it (figure 4, right).

        They are compared by the last hidden layer, fc7 of AlexNet.

        What is computed of the training images is kept in index.safetensors in the run folder. At
        most 50 images, and 10 neighbors of each, are shown.

        Args:
            k: neighbors.
            distance: "euclidean" or "cosine".
        """
        require_count("k", k)
        require_choice("distance", distance, DISTANCES)
        chosen = pictures.choose_images(self, images, count, seed, pictures.MAX_ROWS)
        training = pictures.choose_set(self, "train")
        index = neighbors.kept_index(self, training)
        return neighbors.show(self, neighbors.find(self, chosen, training, index, k, distance))

    def show_map(
        self,
        images: Images | Dataset | None = None,
        *,
        count: int = map.COUNT,
        seed: int = 0,
        layer: str | None = None,
        method: str = map.METHODS[0],
        perplexity: float = map.PERPLEXITY,
        thumbnails: bool = False,
    ) -> Figure:
        """Images on a map, on which those that the network finds similar lie close together.

        Args:
            layer: by whose activations.
            method: "tsne" or "pca".
            perplexity: of t-SNE: about how many neighbors of an image count; above 1.
            thumbnails: show the images themselves instead of marks of their classes.
        """
        require_choice("method", method, map.METHODS)
        if not perplexity > 1:
            raise UsageError(f"perplexity: {perplexity!r} is not a number above 1")
        layer = self.chosen_layer(layer)
        chosen = pictures.choose_images(self, images, count, seed)
        found = map.place(
            self, chosen, layer=layer, method=method, perplexity=perplexity, seed=seed
        )
        if thumbnails:
            return map.thumbnails_figure(found, chosen, self.checkpoint)
        return map.map_figure(found.points, found.labels, self.classes, found.title)

    # -- of an evaluation --------------------------------------------------------------------------

    def show_confusion(
        self,
        data: Dataset | Path | str | None = None,
        *,
        split: str = "validation",
        views: int = 1,
        results: Results | None = None,
    ) -> Figure:
        """What is taken for what, by the images of each class.

        Args:
            data, split, views: see `evaluate`.
            results: what `evaluate` has returned for the same images, which are then not
                classified once more.
        """
        if results is None:
            dataset = pictures.choose_set(self, split, data)
            results = self.evaluate(dataset, split=split, views=views)
        _require_results(results)
        return result_figures.confusion_matrix(results, results.title)

    def show_errors(
        self,
        data: Dataset | Path | str | None = None,
        *,
        split: str = "validation",
        views: int = 1,
        results: Results | None = None,
    ) -> Figure:
        """The errors with the highest loss, and the most confident ones.

        Args:
            data, split, views, results: see `show_confusion`.
        """
        dataset = pictures.choose_set(self, split, data)
        if results is None:
            results = self.evaluate(dataset, split=split, views=views)
        _require_results(results)
        known = results.indices < len(dataset)
        if not known.all() or not np.array_equal(dataset.labels[results.indices], results.labels):
            raise UsageError(
                "results: they are of other images; give data and split as they were for evaluate"
            )
        preprocessing = self.checkpoint.preprocessing
        return result_figures.error_sheet(results, dataset, preprocessing, results.title)


def _require_results(results: Results) -> None:
    if not isinstance(results, Results):
        raise UsageError(f"results: expected those of evaluate, got {type(results).__name__}")
