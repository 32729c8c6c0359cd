"""The images that visitors of the page have sent, with what the network makes of them."""

import io
import secrets
import threading
from collections import OrderedDict
from typing import NamedTuple

from alexnet.data import images
from alexnet.errors import DataError
from alexnet.explain import number
from alexnet.explain.passes import Passes
from alexnet.inference.inputs import Input
from alexnet.inference.trained import Trained
from alexnet.visualize.pictures import Prepared

KEPT = 16  # of AlexNet at 227 pixels each takes about 15 MB


class Shown(NamedTuple):
    """An image, and what the network has computed of it."""

    image: Prepared
    passes: Passes


class Unknown(DataError):
    """An image that was sent too long ago, or never."""


class Images:
    """The last `KEPT` images, by names that nobody can guess."""

    def __init__(self) -> None:
        self._shown: OrderedDict[str, Shown] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, trained: Trained, content: bytes) -> tuple[str, Shown]:
        """Send an image file through the network; returns it with its name.

        Raises:
            BadImage: it cannot be used.
        """
        square = trained.checkpoint.preprocessing.resize
        pixels = images.decode(io.BytesIO(content), "the image", square)
        image = number.prepared(trained, Input("the image", content=pixels))
        shown = Shown(image, number.passes_for(trained, image))
        name = secrets.token_urlsafe(12)
        with self._lock:
            self._shown[name] = shown
            while len(self._shown) > KEPT:
                self._shown.popitem(last=False)
        return name, shown

    def __getitem__(self, name: str) -> Shown:
        """An image by its name.

        Raises:
            Unknown: there is none.
        """
        with self._lock:
            if name not in self._shown:
                raise Unknown("this image is not kept any more: send it again")
            self._shown.move_to_end(name)
            return self._shown[name]
