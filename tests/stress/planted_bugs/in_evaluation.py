"""Mistakes in scores, tables for other programs, and what compares runs."""

from tests.stress.planted_bugs import Fault

BASE = "tests/alexnet/training/test_base_settings.py -k "
PAIRS = "tests/alexnet/inference/test_pairs.py -k "
RUNS = "tests/alexnet/test_runs.py -k "
SCORES = "tests/alexnet/inference/test_scores.py -k "
TABLES = "tests/alexnet/test_table_files.py -k "

FAULTS = [
    Fault(
        "scores: F1 is the Jaccard index",
        "alexnet/inference/scores.py",
        "Estimate(*(2 * share / (1 + share) for share in jaccard))",
        "jaccard",
        SCORES + "f1",
    ),
    Fault(
        "scores: classes without images count in the balanced accuracy",
        "alexnet/inference/scores.py",
        "with_images = [each for each in of_classes if each.images]",
        "with_images = of_classes",
        SCORES + "means",
    ),
    Fault(
        "scores: equal probabilities are taken one by one",
        "alexnet/inference/scores.py",
        "np.flatnonzero(np.diff(score[order], append=np.nan) != 0)",
        "np.arange(len(score))",
        SCORES + "average_precision",
    ),
    Fault(
        "scores: equal probabilities count as above in the ROC curve",
        "alexnet/inference/scores.py",
        "(left + right) / (2 * len(others))",
        "right / len(others)",
        SCORES + "roc",
    ),
    Fault(
        "calibration: the bins are closed on the left",
        "alexnet/inference/scores.py",
        "np.ceil(probability * CALIBRATION_BINS).astype(int).clip(1, CALIBRATION_BINS) - 1",
        "(probability * CALIBRATION_BINS).astype(int).clip(0, CALIBRATION_BINS - 1)",
        SCORES + "bins",
    ),
    Fault(
        "pairs: McNemar's p is one-sided",
        "alexnet/inference/pairs.py",
        "min(1.0, 2 * below / 2**images)",
        "below / 2**images",
        PAIRS + "mcnemar",
    ),
    Fault(
        "pairs: the second way is subtracted",
        "alexnet/inference/pairs.py",
        "value = (only_second - only_first) / images",
        "value = (only_first - only_second) / images",
        PAIRS + "by_hand",
    ),
    Fault(
        "tables: rows beyond the first thousand are lost",
        "alexnet/table_files.py",
        "for start in range(0, count, ROWS_AT_ONCE):",
        "for start in range(0, min(count, ROWS_AT_ONCE), ROWS_AT_ONCE):",
        TABLES + "csv",
    ),
    Fault(
        "runs: a run that holds its lock counts as stopped",
        "alexnet/runs.py",
        "    except BlockingIOError:\n        return True",
        "    except BlockingIOError:\n        return False",
        RUNS + "going_on",
    ),
    Fault(
        "runs: patience never ends a run",
        "alexnet/runs.py",
        "return patience is not None and len",
        "return patience is None and len",
        RUNS + "patience",
    ),
    Fault(
        "like: the network begins as by default",
        "alexnet/training/options.py",
        "if settings.network is None:",
        "if True:",
        BASE + "all_settings",
    ),
    Fault(
        "like: alpha stays where the scale changes",
        "alexnet/training/base_settings.py",
        'if "scale" in given and "network" in base:',
        "if False:",
        BASE + "alpha",
    ),
]
