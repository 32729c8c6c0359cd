"""``python -m tests.alexnet.narrow_train``: alexnet.train with narrow networks, for tests."""

import sys

from alexnet import train
from alexnet.model import ARCHITECTURES
from tests.alexnet.narrow import NarrowAlexNet, NarrowOWT

if __name__ == "__main__":
    ARCHITECTURES.update(alexnet=NarrowAlexNet, owt=NarrowOWT)
    sys.exit(train.main())
