"""Compiled kernels are found again as long as the sources are the same, and removed by pip."""

import importlib.util

import pytest

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

    def compile_anew():
        spec = importlib.util.spec_from_file_location("doubling", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert module.double(21) == 42
        stats = module.double.stats
        return sum(stats.cache_hits.values()), sum(stats.cache_misses.values())

    return compile_anew


def test_a_changed_source_is_compiled_anew(compile_anew, monkeypatch):
    assert compile_anew() == (0, 1)
    assert compile_anew() == (1, 0)
    monkeypatch.setattr(cache, "_sources", "others")
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
