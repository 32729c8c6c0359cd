"""Data sets: `load` opens one by the name of its source, `recognize` finds out what a folder holds.

dataset        what a data set is; subsets
sources        the table of all sources, and how a folder is recognized
readers/       one module a source: demo, cifar, folder, imagenet, parquet, shards; splits says
               which folders are sets, image_tree which files are images
image_formats  which image files are used, and what is to be installed for some
images         decoding: from the bytes of an image file to its pixels
resizing       scaling, and the central square
bad_images     data sets of which images that cannot be used are skipped
transforms     preprocessing and augmentation: from an image to the views that the network gets
batch          views together, which become the network's input on its device
loader         batches, decoded ahead by threads
statistics     mean and principal components of the colors, mean image
labels         the words behind ImageNet's classes
identity       whether two data sets are the same
commands/      ``python -m alexnet.data``: fetch, prepare, check
"""

from alexnet.data.dataset import Dataset, Splits, Subset
from alexnet.data.sources import load, recognize

__all__ = ["Dataset", "Splits", "Subset", "load", "recognize"]
