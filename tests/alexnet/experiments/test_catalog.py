"""The experiments of the catalog: their options exist, and fit each other."""

import shlex
from dataclasses import replace

import pytest

from alexnet.experiments import arm_settings
from alexnet.experiments.arm_settings import Computing
from alexnet.experiments.catalog import EXPERIMENTS
from alexnet.experiments.experiment import Difference
from alexnet.experiments.measures import MEASURES
from alexnet.training.options import new_run, parse


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("is_quick", [False, True])
def test_options_of_every_arm_are_those_of_the_training(name, is_quick):
    experiment = EXPERIMENTS[name]
    if is_quick:
        experiment = experiment.quick_form(has_data=True)
    for arm in experiment.arms:
        computing = Computing("data")
        settings = arm_settings.resolved(experiment, arm, 0, computing)
        given = arm_settings.keywords(experiment, arm, 0, computing)
        command = arm_settings.command(given, settings, settings.epochs)
        again = new_run(parse(shlex.split(command)[3:])[0])
        # What the options imply is in the command.
        assert again.resize is not None and again.bias_init is not None
        settings = replace(settings, resize=again.resize, bias_init=again.bias_init)
        deciding = [arm_settings.deciding(experiment, each) for each in (settings, again)]
        assert deciding[0] == deciding[1]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_names_and_claims(name):
    experiment = EXPERIMENTS[name]
    assert experiment.name == name and not experiment.is_quick
    for comparison in experiment.comparisons:
        if isinstance(comparison, Difference):
            assert comparison.measure in MEASURES
    assert bool(experiment.claims) == bool(experiment.section) == bool(experiment.comparisons)
    if (search := experiment.rates_from) is not None:
        assert EXPERIMENTS[search.name] is search
        assert not set(search.seed_numbers()) & set(experiment.seed_numbers())


@pytest.mark.parametrize("name", ["figure1", "normalization"])
def test_searched_rates_are_among_those_that_were_tried(name):
    """Of the same networks, in the same setting but for the number of epochs."""
    experiment = EXPERIMENTS[name]
    search = experiment.rates_from
    for arm, options in experiment.arms.items():
        assert search.arms[f"{arm}-{options['lr']}"] == options
    assert {**search.settings, "epochs": 0} == {**experiment.settings, "epochs": 0}


@pytest.mark.parametrize("name", ["figure1", "normalization", "augmentation"])
def test_rates_of_the_small_network_stand_with_the_scale_they_were_tried_at(name):
    """A later default of --scale must not change the runs."""
    experiment = EXPERIMENTS[name]
    for options in experiment.arms.values():
        given = {**experiment.settings, **options}
        assert given["scale"] == (1 if given.get("init") == "code2012" else 1 / 64)
