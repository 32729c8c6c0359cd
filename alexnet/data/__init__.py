"""The data sets: `load` gives the sets of a source by name, or finds out what a folder holds.

dataset      what a data set is; subsets
sources      which sources there are, and which of them a folder holds
demo, cifar, folder, imagenet, parquet, shards    the sources, one a module
pickled      what a pickle holds, found out without running it
labels       the words behind ImageNet's classes
images       from the bytes of an image file to its pixels
bad_images   what happens to images that cannot be decoded
transforms   what is done to an image on its way into the network
loader       when, and by which thread
inspection, contact_sheet    what `check` finds out, and its picture
fetch, prepare, check    the commands of ``python -m alexnet.data``
"""

from alexnet.data.dataset import Dataset, Splits, Subset
from alexnet.data.sources import load, recognize

__all__ = ["Dataset", "Splits", "Subset", "load", "recognize"]
