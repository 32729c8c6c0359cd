"""Compiled kernels are found again as long as the sources are the same, and removed by pip.

Where they cannot be kept, or are damaged, they are compiled: that costs time and a line.
"""

import errno
import importlib.util
import logging

import numpy as np
import pytest
from numba.core.caching import IndexDataCacheFile

from minigrad.kernels.shared import cache

SOURCE = """
from minigrad.kernels.shared.threads import jit

@jit
def double(x):
    return 2 * x
"""


@pytest.fixture
def compile_anew(tmp_path):
    """Imports the same file as a new process would, and calls its kernel."""
    path = tmp_path / "minigrad" / "doubling.py"
    path.parent.mkdir()
    path.write_text(SOURCE)

    def compile_anew(number=21):
        spec = importlib.util.spec_from_file_location("doubling", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert module.double(number) == 2 * number
        stats = module.double.stats
        return sum(stats.cache_hits.values()), sum(stats.cache_misses.values())

    return compile_anew


def test_a_changed_source_is_compiled_anew(compile_anew, monkeypatch):
    assert compile_anew() == (0, 1)
    assert compile_anew() == (1, 0)
    monkeypatch.setattr(cache, "_sources", "others")
    assert compile_anew() == (0, 1)
    assert compile_anew() == (1, 0)


def test_each_form_of_the_products_of_bfloat16_is_kept(compile_anew, monkeypatch):
    assert compile_anew() == (0, 1)
    monkeypatch.setattr(cache, "_emulates", "1")
    assert compile_anew() == (0, 1)
    assert compile_anew() == (1, 0)


def test_pip_knows_what_was_compiled(compile_anew, monkeypatch, tmp_path):
    record = tmp_path / "minigrad_alexnet-0.1.0.dist-info" / "RECORD"
    record.parent.mkdir()
    record.write_text("minigrad/doubling.py,sha256=x,70\n")
    monkeypatch.setattr(cache, "_SITE_PACKAGES", tmp_path)
    for _ in range(2):
        compile_anew()
    compiled = {
        f"{path.relative_to(tmp_path)},," for path in tmp_path.rglob("*.nb[ci]") if path.is_file()
    }
    assert len(compiled) == 2  # the index and the code
    lines = record.read_text().splitlines()
    assert lines[0] == "minigrad/doubling.py,sha256=x,70"
    assert sorted(lines[1:]) == sorted(compiled)


def test_compiled_kernels_elsewhere_are_not_of_the_installation(
    compile_anew, monkeypatch, tmp_path
):
    site_packages = tmp_path / "site-packages"
    record = site_packages / "minigrad_alexnet-0.1.0.dist-info" / "RECORD"
    record.parent.mkdir(parents=True)
    record.write_text("")
    monkeypatch.setattr(cache, "_SITE_PACKAGES", site_packages)
    compile_anew()
    assert record.read_text() == ""


@pytest.fixture
def warnings(monkeypatch, caplog):
    """The lines that a process has written so far; it begins with none."""
    monkeypatch.setattr(cache, "_warned", set())
    caplog.set_level(logging.WARNING)
    return caplog


def emptied(path):
    path.write_bytes(b"")


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def overwritten(path):
    path.write_bytes(b"\x00\xff" * 1000)


def with_lost_bytes(path):
    """In the machine code, as after a power cut; in a text, so that it could still be run."""
    content = path.read_bytes()
    text = b"missing Environment"
    assert text in content
    path.write_bytes(content.replace(text, bytes(len(text)), 1))


@pytest.mark.parametrize(
    "suffix, damage",
    [
        ("nbi", emptied),
        ("nbi", cut),
        ("nbi", overwritten),
        ("nbc", emptied),
        ("nbc", cut),
        ("nbc", overwritten),
        ("nbc", with_lost_bytes),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_damaged_cache_is_replaced(compile_anew, warnings, tmp_path, suffix, damage):
    compile_anew()
    (path,) = tmp_path.rglob(f"*.{suffix}")
    damage(path)
    assert compile_anew() == (0, 1)
    (line,) = warnings.messages
    assert f"{path.parent} are damaged" in line
    assert compile_anew() == (1, 0)


def test_a_missing_file_is_compiled_anew(compile_anew, warnings, tmp_path):
    compile_anew()
    (path,) = tmp_path.rglob("*.nbc")
    path.unlink()
    assert compile_anew() == (0, 1)
    assert compile_anew() == (1, 0)
    assert not warnings.messages


def test_code_for_another_type_is_not_run(compile_anew, tmp_path):
    """Two processes that compile at once may both take the first free file name."""
    compile_anew(21)
    compile_anew(np.uint64(21))
    signed, unsigned = sorted(tmp_path.rglob("*.nbc"))
    unsigned.write_bytes(signed.read_bytes())
    assert compile_anew(np.uint64(21)) == (0, 1)
    assert compile_anew(np.uint64(21)) == (1, 0)


def test_without_any_folder_kernels_are_compiled(compile_anew, warnings, monkeypatch):
    monkeypatch.setattr(cache.KernelCache._impl_class, "_locator_classes", [])
    for _ in range(2):
        assert compile_anew() == (0, 1)
    (line,) = warnings.messages
    assert "set NUMBA_CACHE_DIR to a folder" in line


def full(cache_file, path):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_on_a_full_disk_kernels_are_compiled(compile_anew, warnings, monkeypatch):
    monkeypatch.setattr(IndexDataCacheFile, "_open_for_write", full)
    for number in (21, 1.5, 21):
        assert compile_anew(number) == (0, 1)
    (line,) = warnings.messages
    assert "No space left on device; set NUMBA_CACHE_DIR" in line


def test_a_damaged_cache_on_a_full_disk_is_left_alone(
    compile_anew, warnings, monkeypatch, tmp_path
):
    compile_anew()
    (path,) = tmp_path.rglob("*.nbi")
    emptied(path)
    monkeypatch.setattr(IndexDataCacheFile, "_open_for_write", full)
    for _ in range(2):
        assert compile_anew() == (0, 1)
    (line,) = warnings.messages
    assert "are damaged" in line
