"""Two columns on two processes are the grouped network."""

import json
import shutil

import numpy as np
import pytest

from alexnet.columns import Column, half
from alexnet.errors import DataError, UsageError
from alexnet.inference.layers import named_layers
from alexnet.run.checkpoint import BEST, LAST, Checkpoint
from alexnet.run.filter_snapshots import load
from alexnet.training.options import new_run
from minigrad import Tensor
from minigrad.distributed import Team
from minigrad.kernels.shared.bfloat16 import UNIT_ROUNDOFF
from tests.alexnet import column_process
from tests.alexnet.runs import OPTIONS, STEPS_PER_EPOCH, assert_same_run, resume, rows_of
from tests.alexnet.variants import VARIANTS
from tests.mpi import mpiexec, needs_mpi

CONV1 = "features.0.weight"
STEP = STEPS_PER_EPOCH + 1  # whose checkpoint is continued


def relative_difference(found, expected):
    """The largest one, relative to the largest value."""
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.fixture(scope="module")
def columns(tmp_path_factory):
    """What two processes compute, by float type and name."""
    path = tmp_path_factory.mktemp("columns") / "computed.npz"
    # mpi4py ends both processes if one fails.
    finished = mpiexec(2, "-m", "mpi4py", "-m", "tests.alexnet.column_process", path)
    assert finished.returncode == 0, finished.stderr
    with np.load(path) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def grouped(bfloat16_supported):
    """What one process computes with the grouped network."""
    return {
        f"{kind} {name}": array
        for kind, (dtype, variant) in column_process.NETWORKS.items()
        for name, array in column_process.computed(
            column_process.network(dtype, variant), dtype, kind
        ).items()
    }


@needs_mpi
@pytest.mark.parametrize("kind", column_process.NETWORKS)
def test_scores_have_the_bits_of_the_grouped_network(columns, grouped, kind):
    """With dropout; its masks are those of the whole layers."""
    name = f"{kind} scores 0"
    assert columns[name].dtype == column_process.NETWORKS[kind][0]
    assert np.array_equal(columns[name], grouped[name])


@needs_mpi
def test_gradients_and_all_that_follows_from_them(columns, grouped):
    """Sums over the channels of both columns are rounded otherwise."""
    assert columns.keys() == grouped.keys()
    for name, expected in grouped.items():
        assert columns[name].shape == expected.shape, name
        # A factor that is rounded otherwise may be another number of bfloat16.
        limits = {"float64": 1e-12, "float32": 1e-4, "bf16": UNIT_ROUNDOFF}
        limit = limits[name.split()[0].strip(",")]
        assert relative_difference(columns[name], expected) < limit, name


class HalfATeam(Team):
    """Process 1 of two, of which process 0 gives the same but for the number of images."""

    rank, size = 1, 2

    def gather(self, value):
        return [value + 1, value]

    def exchange(self, array, other):
        return array


def test_layers_have_the_names_and_half_of_the_parameters_of_the_network():
    network = column_process.network(np.float32)
    column = Column(network, HalfATeam())
    assert list(named_layers(column)) == list(named_layers(network))
    whole = network.state_dict()
    for name, array in column.state_dict().items():
        assert np.array_equal(array, whole.pop(name)[-len(array) :])
        assert array.shape[0] == whole_shape(network, name)[0] // 2
    assert not whole
    assert [name for name, _ in column.named_modules()] == [n for n, _ in network.named_modules()]
    conv2, conv3, fc8 = column.features[4], column.features[8], column.classifier[-1]
    assert (conv2.in_channels, conv2.out_channels, conv2.groups) == (5, 13, 1)
    assert (conv3.in_channels, conv3.out_channels, conv3.groups) == (26, 19, 1)
    assert (fc8.in_features, fc8.out_features) == (410, 2)


@pytest.mark.parametrize("name", column_process.VARIANTS_OF_TWO_COLUMNS)
def test_what_is_exchanged(name):
    """Normalizations within a column need nothing of the other one."""

    class Counting(HalfATeam):
        exchanged = 0

        def exchange(self, array, other):
            Counting.exchanged += 1
            return array

    Counting.gather = lambda self, value: [value, value]
    network = column_process.network(np.float32, VARIANTS[name].network)
    has_conv3, normalized = "without" not in name, name in ("tanh", "without conv3", "without both")
    column = Column(network, Counting())
    assert list(named_layers(column)) == list(named_layers(network))
    column.eval()(Tensor(np.zeros((1, 3, 67, 67), np.float32)))
    assert Counting.exchanged == 4 + has_conv3 + 2 * normalized


def test_variants_that_columns_can_have_and_cannot(start, error_of, tmp_path):
    settings = new_run({"columns": 2, "norm": "code2012", "activation": "tanh"}, processes=2)
    assert settings.network["norm"]["kind"] == "columns"
    options = "--columns", "2", "--groups", "1"
    code, message = error_of(start, tmp_path / "run", *options)
    assert code == 2
    assert (
        message == "--columns 2 is for --arch alexnet: the network with --groups 1 has one column"
    )
    code, message = error_of(start, tmp_path / "run", "--columns", "2", "--arch", "cifar")
    assert code == 2 and message.endswith("--arch alexnet: cifar has one column")


def whole_shape(network, name):
    return network.state_dict()[name].shape


def test_the_network_that_a_column_is_made_of_stays_as_it_is():
    network = column_process.network(np.float32)
    before = {name: array.copy() for name, array in network.state_dict().items()}
    column = Column(network, HalfATeam()).eval()
    for parameter in column.parameters():
        parameter.data += 1
    assert all(np.array_equal(array, before[n]) for n, array in network.state_dict().items())
    assert all(module.training for _, module in network.named_modules())


def test_halves_of_an_odd_number_and_of_a_number():
    assert half(np.arange(5), 0).tolist() == [0, 1, 2]
    assert half(np.arange(5), 1).tolist() == [3, 4]
    assert half(np.array(7), 0) == half(np.array(7), 1) == 7


def test_columns_that_got_different_images_stop():
    column = Column(column_process.network(np.float32), HalfATeam())
    with pytest.raises(DataError, match="process 0 has 4 of a batch and process 1 has 3: some"):
        column(Tensor(np.zeros((3, 3, 67, 67), np.float32)))


def test_two_columns_need_two_processes():
    with pytest.raises(ValueError, match="need a team of 2 processes, got 1"):
        Column(column_process.network(np.float32), Team())


def test_the_command_says_what_does_not_go_with_columns(start, undisturbed, error_of, tmp_path):
    code, message = error_of(start, tmp_path / "run", "--columns", "2")
    assert code == 2
    assert message == (
        "the two columns (--columns 2) need 2 processes, not 1: start them with mpiexec -n 2, "
        "or give --columns 1"
    )
    code, message = error_of(resume, undisturbed, "--columns", "2", "--epochs", "3")
    assert code == 2
    assert "need 2 processes, not 1" in message
    code, message = error_of(start, tmp_path / "run", "--columns", "2", "--arch", "owt")
    assert code == 2
    assert message == "--columns 2 is for --arch alexnet: owt has one column"
    assert not (tmp_path / "run").exists()


def test_an_optimizer_must_do_with_half_of_a_layer():
    for optimizer in ("sgd", "adam"):
        assert new_run({"columns": 2, "optimizer": optimizer}, processes=2).accumulate == 1
    with pytest.raises(UsageError, match="for --optimizer sgd or adam, not lars"):
        new_run({"columns": 2, "optimizer": "lars"}, processes=2)


def in_two_columns(*options):
    finished = mpiexec(2, "-m", "tests.alexnet.narrow_train", *options, "--columns", "2")
    assert finished.returncode == 0, finished.stderr
    return finished


@pytest.fixture(scope="module")
def run_of_columns(photos, tmp_path_factory):
    """The folder of a complete run of two columns, with a checkpoint within its second epoch."""
    folder = tmp_path_factory.mktemp("columns") / "run"
    kept = "--snapshot-filters", "--save-every", STEP, "--keep", "2"
    in_two_columns(*OPTIONS, "--data-root", photos, "--out", folder, *kept)
    return folder


@pytest.fixture
def earlier(run_of_columns, tmp_path):
    """That checkpoint, in a copy of the folder."""
    return shutil.copytree(run_of_columns, tmp_path / "run") / f"step-{STEP:08d}.safetensors"


def assert_close_run(folder, other):
    """The same within rounding; and the same names, shapes and types, as the optimizer needs."""
    for name in (LAST, BEST):
        one, two = (Checkpoint.load(path / name) for path in (folder, other))
        for arrays, expected in ((one.model, two.model), (one.optimizer, two.optimizer)):
            assert arrays.keys() == expected.keys()
            for array in arrays:
                assert arrays[array].shape == expected[array].shape
                assert relative_difference(arrays[array], expected[array]) < 1e-4, array
        assert one.random_keys == two.random_keys
        assert one.schedule == two.schedule
    for row, expected in zip(rows_of(folder), rows_of(other), strict=True):
        assert row == pytest.approx(expected, rel=1e-4)


@needs_mpi
def test_a_run_of_two_columns_is_that_of_one_process(run_of_columns, undisturbed):
    assert_close_run(run_of_columns, undisturbed)
    kernels = load(run_of_columns)
    assert list(kernels) == [0, 1, 2]
    assert {array.shape for array in kernels.values()} == {(10, 3, 11, 11)}
    assert np.array_equal(kernels[2], Checkpoint.load(run_of_columns / LAST).model[CONV1])


@needs_mpi
def test_a_run_of_two_columns_is_continued_by_one_process(narrow, undisturbed, earlier, error_of):
    code, message = error_of(resume, earlier)
    assert code == 2
    assert "or give --columns 1" in message
    assert resume(earlier, "--columns", "1") == 0
    assert_close_run(earlier.parent, undisturbed)
    run = json.loads((earlier.parent / "run.json").read_text())
    assert [len(start["processes"]) for start in run["starts"]] == [2, 1]
    assert run["starts"][1]["changed"]["columns"] == [2, 1]


@needs_mpi
def test_a_run_of_one_process_is_continued_by_two_columns(undisturbed, stopped):
    in_two_columns("--resume", stopped)
    assert_close_run(stopped, undisturbed)
    run = json.loads((stopped / "run.json").read_text())
    assert run["starts"][1]["changed"]["columns"] == [1, 2]


@needs_mpi
def test_two_columns_that_are_continued_have_the_same_bits(run_of_columns, earlier):
    in_two_columns("--resume", earlier)
    assert_same_run(earlier.parent, run_of_columns)
