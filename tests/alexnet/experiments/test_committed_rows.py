"""The committed rows: of the experiments as they are declared, and as the page has them."""

from pathlib import Path

import pytest

from alexnet.experiments.catalog import EXPERIMENTS
from alexnet.experiments.runner import recorded
from alexnet.experiments.tables import overview, page

ROOT = Path(__file__).parents[3]
FILES = {path.stem: path for path in sorted((ROOT / "docs/experiments").glob("*.csv"))}
SEARCHES = {each.rates_from.name for each in EXPERIMENTS.values() if each.rates_from is not None}


def test_every_file_is_the_record_of_an_experiment():
    assert FILES and set(FILES) <= set(EXPERIMENTS)


@pytest.mark.parametrize("name", FILES)
def test_rows_are_of_the_experiment_as_it_is_declared(name):
    record = recorded(EXPERIMENTS[name], FILES[name])
    assert record.rows
    assert all(row.commit for row in record.rows.values())


@pytest.mark.parametrize("name", sorted(FILES.keys() - SEARCHES))
def test_the_page_has_what_the_rows_say(name):
    tables = page(EXPERIMENTS[name], recorded(EXPERIMENTS[name], FILES[name]))
    results = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    for line in tables.splitlines():
        if line.startswith("| "):
            assert line in results, line


def test_the_page_has_the_table_of_all_claims():
    names = [name for name in EXPERIMENTS if name in FILES]
    known = {name: recorded(EXPERIMENTS[name], FILES[name]) for name in names}
    results = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    assert overview(known, EXPERIMENTS) in results
