"""A program of its own: meta.mat of ImageNet's development kit on stdin, its classes on stdout.

`imagenet_devkit` runs it, because some damaged files crash the interpreter in scipy.
"""

import io
import json
import sys

from scipy.io import loadmat


def leaf_synsets(contents: bytes) -> list[tuple[int, str]]:
    """Number and synset of each class, that is of each leaf of the hierarchy."""
    table = loadmat(io.BytesIO(contents), variable_names=["synsets"], squeeze_me=True)["synsets"]
    leaves = table[table["num_children"] == 0]
    pairs = zip(leaves["ILSVRC2012_ID"], leaves["WNID"], strict=True)
    return [(int(number), str(synset)) for number, synset in pairs]


if __name__ == "__main__":
    json.dump(leaf_synsets(sys.stdin.buffer.read()), sys.stdout)
