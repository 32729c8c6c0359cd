"""Mistakes in the experiments: wrong numbers that look right."""

from tests.stress.planted_bugs import Fault

FOLDER = "tests/alexnet/experiments/"
INTERVALS = FOLDER + "test_intervals.py -k "
VERDICTS = FOLDER + "test_verdicts.py -k "
RUNNER = FOLDER + "test_runner.py -k "

FAULTS = [
    Fault(
        "experiments: Welch's interval has the degrees of freedom of equal variances",
        "alexnet/experiments/intervals.py",
        "return math.sqrt(total), total**2 / (of_a**2 / (runs_a - 1) + of_b**2 / (runs_b - 1))",
        "return math.sqrt(total), runs_a + runs_b - 2.0",
        INTERVALS + "welch_is",
    ),
    Fault(
        "experiments: the variance of a few runs is taken for that of all",
        "alexnet/experiments/intervals.py",
        "return float(np.var(values, ddof=1)) / len(values)",
        "return float(np.var(values)) / len(values)",
        INTERVALS + "welch_is",
    ),
    Fault(
        "experiments: more networks lower the variance of the images",
        "alexnet/experiments/intervals.py",
        "    total, value = over_networks + over_images,",
        "    total, value = over_networks + over_images / len(first),",
        INTERVALS + "paired",
    ),
    Fault(
        "experiments: censored runs have an interval",
        "alexnet/experiments/verdicts.py",
        "    if any(censored):",
        "    if all(censored):",
        VERDICTS + "censored",
    ),
    Fault(
        "experiments: a bound points the wrong way",
        "alexnet/experiments/verdicts.py",
        "'>' if censored[0] else '<'",
        "'>' if censored[1] else '<'",
        VERDICTS + "censored",
    ),
    Fault(
        "experiments: a difference on the wrong side holds",
        "alexnet/experiments/verdicts.py",
        "    if here != sign:",
        "    if here == 0:",
        VERDICTS + "other_side",
    ),
    Fault(
        "experiments: ten views and one are exchanged",
        "alexnet/experiments/measures.py",
        'values["only_one_view"] = int((one & ~ten).sum())',
        'values["only_one_view"] = int((ten & ~one).sum())',
        FOLDER + "test_measures.py -k only_one_way",
    ),
    Fault(
        "experiments: the error of an epoch stands for its end",
        "alexnet/experiments/experiment.py",
        "return Epochs(k - 0.5 + ",
        "return Epochs(k + ",
        FOLDER + "test_experiment.py -k middles",
    ),
    Fault(
        "experiments: the true division of conv1's kernels does not count",
        "alexnet/experiments/color.py",
        "return float((1 + as_far.sum()) / (1 + PERMUTATIONS))",
        "return float(as_far.sum() / PERMUTATIONS / 2)",
        FOLDER + "test_color.py -k share",
    ),
    Fault(
        "experiments: a difference in colors counts in one direction alone",
        "alexnet/experiments/color.py",
        "return np.abs(values[:, :count].mean(axis=1) - values[:, count:].mean(axis=1))",
        "return values[:, :count].mean(axis=1) - values[:, count:].mean(axis=1)",
        FOLDER + "test_color.py -k whichever",
    ),
    Fault(
        "experiments: all seeds of an arm come before the next arm",
        "alexnet/experiments/runner.py",
        "return [(arm, seed) for seed in range(request.seeds) for arm in request.arms]",
        "return [(arm, seed) for arm in request.arms for seed in range(request.seeds)]",
        RUNNER + "all_arms",
    ),
    Fault(
        "experiments: an unfinished run is continued with another rate",
        "alexnet/experiments/single_run.py",
        "    if changed:\n",
        "    if False:\n",
        RUNNER + "unfinished",
    ),
    Fault(
        "experiments: rows with other settings are mixed",
        "alexnet/experiments/arm_settings.py",
        "        if before != after:",
        "        if name == 'lr' and before != after:",
        RUNNER + "other_settings",
    ),
    Fault(
        "experiments: the best network is measured, and not the last",
        "alexnet/experiments/measures.py",
        "        ending.folder / LAST,",
        "        ending.folder,",
        FOLDER + "test_measures.py -k last_epoch",
    ),
    Fault(
        "experiments: checkpoints go before the row is written",
        "alexnet/experiments/runner.py",
        "            record.append(row)\n            remove_checkpoints(single.folder,",
        "            remove_checkpoints(single.folder, False)\n"
        "            record.append(row)\n            remove_checkpoints(single.folder,",
        FOLDER + "test_kills.py -k writing",
    ),
    Fault(
        "experiments: a row that another command has added is lost",
        "alexnet/experiments/record.py",
        "with_row = {**meanwhile, row.key: meanwhile.get(row.key, row)}",
        "with_row = {**self.rows, row.key: row}",
        FOLDER + "test_record.py -k another_command",
    ),
    Fault(
        "experiments: commands of rows leave out what chooses the network",
        "alexnet/experiments/arm_settings.py",
        "values = {**asdict(settings), **given, ",
        "values = {**asdict(settings), **{k: given[k] for k in ('data_root',)}, ",
        FOLDER + "test_arm_settings.py -k chooses_the_network",
    ),
    Fault(
        "experiments: other data than those of the claim are taken",
        "alexnet/experiments/data_digest.py",
        "    if LABELS.get(name, labels) != labels:",
        "    if False:",
        RUNNER + "other_data",
    ),
    Fault(
        "experiments: numbers of the record are rounded",
        "alexnet/experiments/record.py",
        "return repr(value) if isinstance(value, float) else str(value)",
        "return f'{value:.6g}' if isinstance(value, float) else str(value)",
        FOLDER + "test_record.py -k digit",
    ),
    Fault(
        "experiments: a repetition that differs is called the same",
        "alexnet/experiments/runner.py",
        "if name not in measures.TIMING and now.values[name] != value:",
        "if name in measures.COUNTS and now.values[name] != value:",
        RUNNER + "names_what_differs",
    ),
]
