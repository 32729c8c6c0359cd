"""Which files count as images: links, hidden names, and what systems leave behind."""

import os

import pytest

from alexnet.data.readers.image_tree import (
    files_below,
    files_by_subfolder,
    holds_images,
    holds_images_directly,
    is_left_out,
    subfolders,
)
from alexnet.errors import DataError


@pytest.fixture
def write(tmp_path):
    def write(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()

    return write


def below(folder):
    return [os.path.relpath(path, folder) for path in files_below(folder)]


@pytest.mark.parametrize(
    "name",
    """@eaDir #recycle @Recycle @Recently-Snapshot .AppleDouble __MACOSX ._1.jpg .Trashes
    $RECYCLE.BIN lost+found .ipynb_checkpoints Thumbs.db desktop.ini .thumbnails .picasaoriginals
    .sync .stversions .@__thumb files_versions""".split()
    + ["System Volume Information"],
)
def test_what_systems_leave_behind_is_neither_a_class_nor_an_image(write, tmp_path, name):
    write("cat/1.jpg", "cat/nested/2.jpg", f"cat/nested/{name}/1.jpg", f"{name}/deep/3.jpg")
    assert is_left_out(name)
    assert [path.name for path in subfolders(tmp_path)] == ["cat"]
    assert below(tmp_path) == ["cat/1.jpg", "cat/nested/2.jpg"]
    assert list(files_by_subfolder(tmp_path)) == ["cat"]
    assert not holds_images_directly(tmp_path)


def test_runs_beside_the_classes_are_left_out(write, tmp_path, caplog):
    write("cat/1.jpg", "dog/2.jpg", "runs/a/last.safetensors", "runs/a/curves.png")
    write("cat/run/last.safetensors", "cat/run/curves.png", "b/last.safetensors", "b/map.png")
    caplog.set_level("INFO", "alexnet.data")
    files = files_by_subfolder(tmp_path)
    assert {name: len(paths) for name, paths in files.items()} == {"cat": 1, "dog": 1, "runs": 0}
    assert f"left out folders of runs, such as {tmp_path / 'b'}" in caplog.text
    assert not holds_images(tmp_path / "runs")
    assert [path.name for path in subfolders(tmp_path)] == ["cat", "dog", "runs"]
    assert below(tmp_path / "b") == ["map.png"]  # which somebody has named


def test_linked_folders_are_followed_wherever_they_lie(write, tmp_path):
    write("camera/1.jpg", "camera/deep/2.jpg", "photos/cat/3.jpg")
    (tmp_path / "photos/cat/linked").symlink_to("../../camera")
    (tmp_path / "photos/dog").symlink_to("../camera")
    files = files_by_subfolder(tmp_path / "photos")
    root = tmp_path / "photos"
    assert {name: [os.path.relpath(path, root) for path in files[name]] for name in files} == {
        "cat": ["cat/3.jpg", "cat/linked/1.jpg", "cat/linked/deep/2.jpg"],
        "dog": ["dog/1.jpg", "dog/deep/2.jpg"],
    }


def test_a_folder_of_links_alone_holds_images(write, tmp_path):
    write("camera/1.jpg", "photos/cat/x")
    (tmp_path / "photos/cat/linked").symlink_to(tmp_path / "camera")
    assert holds_images(tmp_path / "photos/cat")
    assert not holds_images_directly(tmp_path / "photos/cat")


def test_no_folder_is_read_twice_and_the_path_without_a_link_is_taken(write, tmp_path, caplog):
    write("cat/z/1.jpg", "elsewhere/2.jpg")
    for name, target in (
        ("a", "z"),
        ("z/up", ".."),
        ("z/root", "../.."),
        ("b", "../elsewhere"),
        ("c", "../elsewhere"),
    ):
        (tmp_path / "cat" / name).symlink_to(target)
    (tmp_path / "elsewhere/again").symlink_to(".")
    assert below(tmp_path / "cat") == ["b/2.jpg", "z/1.jpg"]
    assert "5 link(s) lead to folders that are read already" in caplog.text


def test_a_class_that_is_a_link_to_the_folder_of_all(write, tmp_path):
    write("cat/1.jpg")
    (tmp_path / "all").symlink_to(".")
    assert files_by_subfolder(tmp_path)["all"] == []


def test_the_current_folder_and_the_root_have_images(write, tmp_path, monkeypatch):
    write("cat/1.jpg", "2.jpg")
    monkeypatch.chdir(tmp_path)
    assert below(".") == ["2.jpg", "cat/1.jpg"]


def test_broken_links(write, tmp_path, caplog):
    write("cat/1.jpg")
    (tmp_path / "cat/gone").symlink_to("nowhere")
    (tmp_path / "cat/2.jpg").symlink_to("nowhere.jpg")
    # What is called like an image is one that cannot be read: --bad-images decides.
    assert below(tmp_path / "cat") == ["1.jpg", "2.jpg"]
    assert (
        f"1 link(s) lead to nothing and were left out, such as {tmp_path}/cat/gone" in caplog.text
    )


@pytest.mark.parametrize("ask", [files_below, files_by_subfolder, subfolders, holds_images])
def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch, ask):
    def scandir(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=r": cannot be read \(Permission denied\)"):
        ask(tmp_path)
