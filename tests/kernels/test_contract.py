"""Every family of kernels has the same files, and the same functions in every backend."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "kernels"
FAMILIES = sorted(path.parent.name for path in FOLDER.glob("*/reference.py"))
BACKENDS = ("reference", "cpu", "cuda")
# Their factors may be rounded.
PRODUCTS = {"conv2d", "linear"}


def public_functions(module):
    return {
        name: inspect.signature(function)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_") and function.__module__ == module.__name__
    }


def test_families_are_found():
    assert {"conv2d", "max_pool2d", "local_response_norm", "dropout"} <= set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_family_has_its_files(family):
    for name in ("__init__", *BACKENDS):
        assert (FOLDER / family / f"{name}.py").exists()
    contract = importlib.import_module(f"minigrad.kernels.{family}").__doc__
    assert "Cost" in contract or "FLOPs" in contract, "the contract says what a call costs"


@pytest.mark.parametrize("family", FAMILIES)
def test_backends_have_the_same_functions(family):
    reference, *others = (
        public_functions(importlib.import_module(f"minigrad.kernels.{family}.{backend}"))
        for backend in BACKENDS
    )
    assert reference
    for other in others:
        assert other == reference


@pytest.mark.parametrize("family", FAMILIES)
def test_outputs_are_keywords(family):
    """Updates work in place; everything else fills the arrays named after the ``*``."""
    for name, signature in public_functions(
        importlib.import_module(f"minigrad.kernels.{family}.reference")
    ).items():
        keywords = [p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
        assert bool(keywords) == (name != "update")
        with_default = {p.name for p in keywords if p.default is not p.empty}
        assert with_default == ({"bfloat16"} if family in PRODUCTS else set())


@pytest.mark.parametrize("family", FAMILIES)
def test_reference_shares_no_line_with_the_other_backends(family):
    """It may be made of other families' references, and of what no other backend imports."""
    source = (FOLDER / family / "reference.py").read_text()
    philox = "from minigrad.kernels.dropout.philox import random_number"
    assert not any(philox in (FOLDER / family / f"{name}.py").read_text() for name in BACKENDS[1:])
    imported = {line for line in source.splitlines() if "import" in line}
    own = re.compile(r"from minigrad\.kernels\.\w+ import reference as \w+")
    assert {line for line in imported if not own.fullmatch(line)} <= {
        "import numpy as np",
        "import math",
        "from minigrad.kernels.shared.bfloat16 import round_to_bfloat16",
        philox,
    }


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_table_of_a_backend_has_every_family(backend):
    table = importlib.import_module(f"minigrad.kernels.{backend}")
    functions = {name for name in table.__all__ if inspect.isfunction(getattr(table, name))}
    assert set(table.__all__) - functions == set(FAMILIES)
