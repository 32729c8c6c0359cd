"""Folders as people download and keep them: what is used as what, or why it is refused.

``python -m tests.alexnet.data.test_downloads`` prints the table of docs/data.md.
"""

import contextlib
import io
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from alexnet import cli
from alexnet.data import load
from alexnet.errors import DataError

ROOT = Path(__file__).parents[3]


class Download(NamedTuple):
    """A folder called `data`.

    Attributes:
        files: names of files, empty; {a,b} stands for both. "a -> b" is a link to b, relative to
            where it lies.
        says: what the start of a training says; an error at the end.
        texts: contents of files that are not empty.
    """

    files: str
    says: str
    texts: dict[str, str] = {}


# By hash, a fifth of each class and at least one image is held out: of two images one.
HELD_OUT = "(a fifth of each class, chosen by a hash of the names)"
DOWNLOADS = {
    "Roboflow": Download(
        "{train,valid,test}/{cat,dog}/{1,2}.jpg README.dataset.txt README.roboflow.txt",
        """\
        train: data/train, 2 classes, 4 images
        validation: data/valid, 2 classes, 4 images
        test: data/test, 2 classes, 4 images""",
    ),
    "Intel Image Classification (Kaggle)": Download(
        "seg_{train/seg_train,test/seg_test}/{forest,sea}/{1,2}.jpg seg_pred/seg_pred/3.jpg",
        """\
        not used: data/seg_pred (not called like a set)
        train: data/seg_train/seg_train, 2 classes, 4 images
        validation: data/seg_test/seg_test (no folder for validation), 2 classes, 4 images""",
    ),
    "Chest X-Ray Pneumonia (Kaggle)": Download(
        "chest_xray/{train,test,val}/{NORMAL,PNEUMONIA}/1.jpeg"
        " chest_xray/chest_xray/{train,test,val}/{NORMAL,PNEUMONIA}/1.jpeg"
        " chest_xray/__MACOSX/chest_xray/train/NORMAL/._1.jpeg",
        """\
        not used: data/chest_xray/chest_xray (not called like a set)
        train: data/chest_xray/train, 2 classes, 2 images
        validation: data/chest_xray/val, 2 classes, 2 images
        test: data/chest_xray/test, 2 classes, 2 images""",
    ),
    "Cat and Dog (Kaggle)": Download(
        "{training_set/training_set,test_set/test_set}/{cats,dogs}/{1,2}.jpg",
        """\
        train: data/training_set/training_set, 2 classes, 4 images
        validation: data/test_set/test_set (no folder for validation), 2 classes, 4 images""",
    ),
    "Dogs vs. Cats (Kaggle)": Download(
        "train/{cat,dog}.{0,1}.jpg test1/{1,2}.jpg sampleSubmission.csv",
        """\
        error: data/train holds images directly; put the images of each class into a folder of its \
own there""",
    ),
    "Cats and Dogs (Microsoft)": Download(
        "PetImages/{Cat,Dog}/{0,1}.jpg PetImages/Cat/Thumbs.db readme[1].txt",
        f"""\
        data/PetImages: left out what the system has made or hidden: 1 Thumbs.db
        train: data/PetImages, 2 classes, 2 images
        validation: data/PetImages {HELD_OUT}, 2 classes, 2 images""",
    ),
    "FER2013 (Kaggle)": Download(
        "{train,test}/{angry,happy}/{1,2}.jpg",
        """\
        train: data/train, 2 classes, 4 images
        validation: data/test (no folder for validation), 2 classes, 4 images""",
    ),
    "GTSRB": Download(
        "GTSRB/Final_Training/Images/0000{0,1}/0000{0,1}_00000.ppm GTSRB/Readme-Images.txt"
        " GTSRB/Final_Training/Images/0000{0,1}/GT.csv GTSRB/Final_Test/Images/0000{0,1}.ppm",
        f"""\
        not used: data/GTSRB/Final_Test (no folders of the training classes)
        warning: data/GTSRB/Final_Training/Images: 2 file(s) are not called like images and were \
left out, such as data/GTSRB/Final_Training/Images/00000/GT.csv
        train: data/GTSRB/Final_Training/Images, 2 classes, 2 images
        validation: data/GTSRB/Final_Training/Images {HELD_OUT}, 2 classes, 2 images""",
    ),
    "MNIST as PNG": Download(
        "mnist_png/{training,testing}/{0,1,2}/{1,2}.png",
        """\
        train: data/mnist_png/training, 3 classes, 6 images
        validation: data/mnist_png/testing (no folder for validation), 3 classes, 6 images""",
    ),
    "CIFAR-10 as PNG": Download(
        "cifar10/{train,test}/{airplane,ship}/000{1,2}.png cifar10/labels.txt",
        """\
        train: data/cifar10/train, 2 classes, 4 images
        validation: data/cifar10/test (no folder for validation), 2 classes, 4 images""",
    ),
    "hymenoptera_data (PyTorch)": Download(
        "hymenoptera_data/{train,val}/{ants,bees}/{1,2}.jpg",
        """\
        train: data/hymenoptera_data/train, 2 classes, 4 images
        validation: data/hymenoptera_data/val, 2 classes, 4 images""",
    ),
    "Imagenette": Download(
        "imagenette2/{train,val}/n0{1440764,2102040}/{1,2}.JPEG imagenette2/noisy_imagenette.csv",
        """\
        train: data/imagenette2/train, 2 classes, 4 images
        validation: data/imagenette2/val, 2 classes, 4 images""",
    ),
    "Tiny ImageNet": Download(
        "tiny-imagenet-200/train/n0{1443537,1629819}/images/{1,2}.JPEG"
        " tiny-imagenet-200/val/images/val_{0,1}.JPEG tiny-imagenet-200/test/images/test_0.JPEG"
        " tiny-imagenet-200/{wnids,words,val/val_annotations}.txt",
        """\
        not used: data/tiny-imagenet-200/test (no folders of the training classes)
        train: data/tiny-imagenet-200/train, 2 classes, 4 images
        validation: data/tiny-imagenet-200/val, 2 classes, 2 images""",
        {
            "tiny-imagenet-200/val/val_annotations.txt": (
                "val_0.JPEG\tn01629819\t0\t32\t44\t62\nval_1.JPEG\tn01443537\t2\t0\t40\t50\n"
            )
        },
    ),
    "Caltech 101": Download(
        "caltech-101/101_ObjectCategories/{BACKGROUND_Google,Faces,ant}/image_000{1,2}.jpg"
        " caltech-101/Annotations/{Faces,ant}/annotation_0001.mat",
        f"""\
        train: data/caltech-101/101_ObjectCategories, 3 classes, 3 images
        validation: data/caltech-101/101_ObjectCategories {HELD_OUT}, 3 classes, 3 images""",
    ),
    "Caltech 101, not unpacked": Download(
        "101_ObjectCategories.tar.gz Annotations.tar show_annotation.m",
        """\
        error: data: nothing in it is known as data: no image files, and no CIFAR, ImageNet, \
Parquet or prepared data; unpack 101_ObjectCategories.tar.gz first""",
    ),
    "Food-101": Download(
        "food-101/images/{apple_pie,waffles}/{1,2}.jpg food-101/meta/{train,test}.txt",
        f"""\
        train: data/food-101/images, 2 classes, 2 images
        validation: data/food-101/images {HELD_OUT}, 2 classes, 2 images""",
    ),
    "Stanford Dogs": Download(
        "images/Images/n020{85620-Chihuahua,88094-Afghan_hound}/{1,2}.jpg"
        " annotations/Annotation/n02085620-Chihuahua/n02085620_7",
        f"""\
        train: data/images/Images, 2 classes, 2 images
        validation: data/images/Images {HELD_OUT}, 2 classes, 2 images""",
    ),
    "Oxford Flowers 102": Download(
        "jpg/image_0000{1,2}.jpg imagelabels.mat setid.mat",
        """\
        error: data: all images lie in one folder, jpg, but at least 2 classes are needed; put the \
images of each class into a folder of its own there""",
    ),
    "Oxford-IIIT Pet": Download(
        "images/{Abyssinian,beagle}_{1,2}.jpg annotations/{list.txt,trimaps/beagle_1.png}",
        """\
        not used: data/annotations (annotations)
        error: data: all images lie in one folder, images, but at least 2 classes are needed; put \
the images of each class into a folder of its own there""",
    ),
    "EuroSAT": Download(
        "2750/{Forest,River}/{1,2}.jpg",
        f"""\
        train: data/2750, 2 classes, 2 images
        validation: data/2750 {HELD_OUT}, 2 classes, 2 images""",
    ),
    "EuroSAT (Kaggle)": Download(
        "EuroSAT/{Forest,River,SeaLake}/1.jpg EuroSATallBands/{Forest,River,SeaLake}/1.tif",
        """\
        error: data/EuroSAT and data/EuroSATallBands both hold Forest, River: are these the \
classes? Give one of the two folders, or --train-root DIR and --val-root DIR""",
    ),
    "PlantVillage": Download(
        "{color,grayscale,segmented}/{Apple,Corn,Grape,Peach}/1.JPG",
        """\
        error: data/color and data/grayscale both hold Apple, Corn: are these the classes? Give \
one of the two folders, or --train-root DIR and --val-root DIR""",
    ),
    "Flowers Recognition (Kaggle)": Download(
        "flowers/{daisy,rose,tulip}/{1,2}.jpg flowers/flowers/{daisy,rose,tulip}/{1,2}.jpg",
        f"""\
        not used: data/flowers/flowers (holds daisy, rose once more)
        train: data/flowers, 3 classes, 3 images
        validation: data/flowers {HELD_OUT}, 3 classes, 3 images""",
    ),
    "Places365": Download(
        "data_256/a/{abbey,airport}/1.jpg val_256/Places365_val_0000000{1,2}.jpg",
        """\
        error: data/val_256: called like a set, but no folder for training lies beside it; give \
--train-root DIR and --val-root DIR""",
    ),
    "an export for YOLO": Download(
        "{train,valid}/images/1.jpg {train,valid}/labels/1.txt data.yaml",
        """\
        not used: data/train/labels (annotations)
        error: data/train: all images lie in one folder, images, but at least 2 classes are needed\
; put the images of each class into a folder of its own there""",
    ),
    "two sets beside each other": Download(
        "{small,large}/{train,val}/{a,b}/1.jpg",
        """\
        error: data/large and data/small both hold train, val: give one of the two folders""",
    ),
    "classes of folders with the same names": Download(
        "{cat,dog}/{front,side}/{1,2}.jpg",
        f"""\
        warning: data/cat and data/dog both hold front, side: if these are the classes, give \
--train-root and --val-root
        train: data, 2 classes, 6 images
        validation: data {HELD_OUT}, 2 classes, 2 images""",
    ),
    "a class called like a set": Download(
        "{valid,invalid}/{1,2}.jpg",
        f"""\
        warning: data/valid: taken as a class, though called like a set; if it is none, move it
        train: data, 2 classes, 2 images
        validation: data {HELD_OUT}, 2 classes, 2 images""",
    ),
    "sets inside a folder called train": Download(
        "train/{train,val}/{a,b}/1.jpg notes/1.jpg",
        """\
        not used: data/notes (not called like a set)
        train: data/train/train, 2 classes, 2 images
        validation: data/train/val, 2 classes, 2 images""",
    ),
    "names with spaces": Download(
        "{Training~Set,Validation~Set}/{a,b}/1.jpg",
        """\
        train: data/Training Set, 2 classes, 2 images
        validation: data/Validation Set, 2 classes, 2 images""",
    ),
    "names of a project": Download(
        "birds_{train,valid}/{wren,kiwi}/1.jpg birds_readme.txt",
        """\
        train: data/birds_train, 2 classes, 2 images
        validation: data/birds_valid, 2 classes, 2 images""",
    ),
    "a test without labels": Download(
        "{train,val}/{a,b}/1.jpg test/{1,2,3}.jpg",
        """\
        not used: data/test (no folders of the training classes)
        train: data/train, 2 classes, 2 images
        validation: data/val, 2 classes, 2 images""",
    ),
    "a class without images for validation": Download(
        "train/{a,b,c}/1.jpg val/{a,b}/1.jpg",
        """\
        train: data/train, 3 classes, 3 images
        warning: data/val: the set for validation has no image of c
        validation: data/val, 3 classes, 2 images""",
    ),
    "two folders for training": Download(
        "{train,Training}/{a,b}/1.jpg",
        """\
        error: data/Training and data/train both look like the set for train; rename one, or give \
--train-root DIR and --val-root DIR""",
    ),
    "none for training": Download(
        "{val,test}/{a,b}/1.jpg",
        """\
        error: data/test: no folder for training lies beside it; call one train, or give \
--train-root DIR""",
    ),
    "pictures of trains": Download(
        "{train,bus,car}/{1,2}.jpg",
        f"""\
        warning: data/train: taken as a class, though called like a set; if it is none, move it
        train: data, 3 classes, 3 images
        validation: data {HELD_OUT}, 3 classes, 3 images""",
    ),
    "one class": Download(
        "cat/{1,2}.jpg",
        """\
        error: data: all images lie in one folder, cat, but at least 2 classes are needed; put the \
images of each class into a folder of its own there""",
    ),
    "sets without images": Download(
        "train/{cat,dog}/{1,2}.jpg val/{cat,dog}/1.dcm test->nowhere",
        f"""\
        not used: data/test (no image in it)
        not used: data/val (no image in it)
        train: data/train, 2 classes, 2 images
        validation: data/train {HELD_OUT}, 2 classes, 2 images""",
    ),
    "nothing to learn from": Download(
        "train/{cat,dog}/1.dcm val/{cat,dog}/1.jpg",
        "error: data/train: called like the set for training, but has no image",
    ),
    "the folder of one class": Download(
        "{1,2}.jpg",
        """\
        error: data holds images directly: it looks like the folder of one class; give its parent, \
with a folder of images per class""",
    ),
    "a network drive (Synology)": Download(
        "{cat,dog}/{1,2}.jpg {cat,dog}/@eaDir/{1,2}.jpg/SYNOPHOTO_THUMB_M.jpg #recycle/cat/3.jpg",
        f"""\
        data: left out what the system has made or hidden: 1 #recycle, 2 @eaDir
        train: data, 2 classes, 2 images
        validation: data {HELD_OUT}, 2 classes, 2 images""",
    ),
    "an archive of macOS": Download(
        "{cat,dog}/{1,2,._1,._2}.jpg __MACOSX/{cat,dog}/._1.jpg .DS_Store cat/.DS_Store",
        f"""\
        data: left out what the system has made or hidden: 2 .DS_Store, 4 ._*, 1 __MACOSX
        train: data, 2 classes, 2 images
        validation: data {HELD_OUT}, 2 classes, 2 images""",
    ),
    "a disk of Windows": Download(
        "{cat,dog}/{1,2}.jpg cat/{Thumbs.db,desktop.ini} $RECYCLE.BIN/S-1-5/$R1.jpg"
        " System~Volume~Information/1.jpg dog/.picasaoriginals/1.jpg",
        f"""\
        data: left out what the system has made or hidden: 1 $RECYCLE.BIN, 1 System Volume \
Information, 1 Thumbs.db, 1 desktop.ini, 1 other hidden names
        train: data, 2 classes, 2 images
        validation: data {HELD_OUT}, 2 classes, 2 images""",
    ),
    "links": Download(
        "../camera/{1,2}.jpg ../camera/again->. cat/3.jpg cat/camera->../../camera"
        " cat/up->.. cat/twice->camera dog/{4,5}.jpg wolf->dog/none loop->.",
        f"""\
        warning: data: 1 link(s) lead to nothing and were left out, such as data/wolf
        warning: data: 4 link(s) lead to folders that are read already and were left out, such as \
data/cat/camera/again
        warning: data: left out 1 folder(s) without an image, such as loop
        train: data, 2 classes, 3 images
        validation: data {HELD_OUT}, 2 classes, 2 images""",
    ),
}


def names_of(files: str) -> list[str]:
    """Names with braces expanded; ~ stands for a space."""
    names = []
    for word in files.split():
        parts = [word]
        while any("{" in part for part in parts):
            parts = [
                part.replace(braces[0], choice, 1)
                for part in parts
                if (braces := re.search(r"{([^{}]*)}", part))
                for choice in braces[1].split(",")
            ]
        names += [part.replace("~", " ") for part in parts]
    return names


def write(folder: Path, download: Download) -> None:
    folder.mkdir()
    for name in names_of(download.files):
        name, _, target = name.partition("->")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if target:
            path.symlink_to(target)
        else:
            path.write_text(download.texts.get(name, ""))


def lines_of(download: Download) -> list[str]:
    """What is said of a download by ``load`` in the folder that it lies in."""
    write(Path("data"), download)
    with contextlib.redirect_stderr(io.StringIO()) as stderr, cli.log():
        try:
            load("auto", "data")
        except DataError as error:
            cli.say(f"error: {error}")
    return stderr.getvalue().splitlines()


@pytest.mark.parametrize("download", DOWNLOADS.values(), ids=DOWNLOADS)
def test_what_is_used_as_what(tmp_path, monkeypatch, download):
    monkeypatch.chdir(tmp_path)
    assert lines_of(download) == [line.strip() for line in download.says.splitlines()]


def table() -> str:
    """The downloads as a table in Markdown."""
    rows = ["| folder | files | what is said |", "|---|---|---|"]
    for name, download in DOWNLOADS.items():
        files = download.files.replace("~", " ").replace("->", " → ")
        lines = "<br>".join(line.strip() for line in download.says.splitlines())
        rows.append(f"| {name} | `{files}` | {lines.replace('*', chr(92) + '*')} |")
    return "\n".join(rows)


def test_the_page_has_the_same_table():
    assert table() in (ROOT / "docs" / "data.md").read_text()


def test_messages_are_short():
    lines = [line for download in DOWNLOADS.values() for line in download.says.splitlines()]
    assert max(map(len, lines)) <= 200


if __name__ == "__main__":
    print(table())
