"""Compiled kernels are found again, and only as long as the sources are the same."""

import importlib.util

import pytest

from kernels import _team

SOURCE = """
from kernels._team import jit

@jit
def double(x):
    return 2 * x
"""


@pytest.fixture
def compile_anew(tmp_path):
    """Imports the same file as a new process would, and calls its kernel."""
    path = tmp_path / "doubling.py"
    path.write_text(SOURCE)

    def compile_anew():
        spec = importlib.util.spec_from_file_location("doubling", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert module.double(21) == 42
        stats = module.double.stats
        return sum(stats.cache_hits.values()), sum(stats.cache_misses.values())

    return compile_anew


def test_a_changed_shared_source_is_compiled_anew(compile_anew, monkeypatch):
    assert compile_anew() == (0, 1)
    assert compile_anew() == (1, 0)
    monkeypatch.setattr(_team, "_shared_sources", "others")
    assert compile_anew() == (0, 1)
    assert compile_anew() == (1, 0)
