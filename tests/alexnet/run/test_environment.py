"""What a run notes of the program that makes it."""

import os
import shutil
import subprocess

import pytest

from alexnet.run import environment


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_found_without_a_lock_in_the_repository(tmp_path, monkeypatch):
    """A run that is killed while git holds index.lock would leave it there."""

    def git(*words):
        identity = "-c", "user.name=a", "-c", "user.email=a@b"
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    source = tmp_path / "alexnet" / "run" / "environment.py"
    source.parent.mkdir(parents=True)
    source.write_text("")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.setattr(environment, "__file__", str(source))
    os.utime(source, (1, 1))  # git would refresh its index
    index = (tmp_path / ".git" / "index").stat().st_ino
    commit = environment.versions()["git"]
    assert len(commit) == 40
    assert (tmp_path / ".git" / "index").stat().st_ino == index
    source.write_text("changed")
    assert environment.versions()["git"] == f"{commit}-dirty"
