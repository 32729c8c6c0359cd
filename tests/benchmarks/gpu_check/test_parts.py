"""The parts of the check, piece by piece: what is wrong is found, what is right is not accused."""

import io
import json
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from alexnet.model import AlexNet
from alexnet.precision import PRECISIONS
from benchmarks.gpu_check import (
    contestants,
    kernel_times,
    layers,
    planted_defects,
    runner,
    sanitizers,
    smoke,
    steps,
    tests,
    training,
)
from benchmarks.gpu_check.gpu_clock import ATTEMPTS, FIRST_COPIES, LAST_COPIES, GpuClock
from benchmarks.gpu_check.part import Options, Report
from benchmarks.layers import walk
from minigrad import backend
from minigrad.kernels import cuda as cuda_kernels
from tests.cuda_emulator import EmulatorError
from tests.kernels import nvrtc

OPTIONS = Options(
    out="", architectures=("alexnet",), batch=1, image_size=67, width=0.1, repeats=1, calls=1,
    workers=1, data_root="no such folder", small=True,
)  # fmt: skip


@pytest.fixture
def report():
    return Report(io.StringIO())


def problems(report):
    lines = map(json.loads, report._file.getvalue().splitlines())
    return [line["problem"] for line in lines if "problem" in line]


def results(report):
    lines = map(json.loads, report._file.getvalue().splitlines())
    return {line["result"]: line["value"] for line in lines if "result" in line}


# -- what the profiler says ---------------------------------------------------------------


def events(names, begin=0.0, seconds=1e-3):
    """As in a Chrome trace: each kernel follows the one before it after as much time again."""
    return [
        {"cat": "kernel", "name": name, "ts": 1e6 * (begin + 2 * i * seconds), "dur": 1e6 * seconds}
        for i, name in enumerate(names)
    ]


STEP = ["a", "b", "b", "b", "c", "c"]


@pytest.mark.parametrize("lost", [0, 1, 5, 6])
def test_the_last_step_is_found_where_the_first_is_not_complete(lost):
    trace = events((STEP * 3)[lost:])
    others = [{"cat": "cpu_op", "name": "x", "ts": 1, "dur": 1}, {"ph": "M", "name": "python"}]
    last = kernel_times.last_step(others + trace[::-1], 3)
    assert [event["name"] for event in last] == STEP
    assert last[-1]["ts"] == trace[-1]["ts"]


@pytest.mark.parametrize("names", [[], ["a"], STEP + STEP[1:], STEP[3:] + STEP])
def test_steps_that_differ_are_no_profile(names):
    with pytest.raises(kernel_times.LostEvents, match=f"saw {len(names)} kernels in 3 steps"):
        kernel_times.last_step(events(names), 3)


@pytest.mark.parametrize("seen", [[STEP * 3], [STEP, STEP * 12], [STEP, STEP[1:]]])
def test_where_too_much_is_lost_more_steps_are_made(seen, monkeypatch):
    traces, calls = iter(seen), []
    monkeypatch.setattr(kernel_times, "_events", lambda profile: events(next(traces)))
    profiler = SimpleNamespace(
        ProfilerActivity=SimpleNamespace(CUDA=1), profile=lambda activities: nullcontext()
    )
    torch = SimpleNamespace(profiler=profiler)
    if seen[-1] == STEP[1:]:
        with pytest.raises(kernel_times.LostEvents, match="saw 5 kernels in 12 steps"):
            kernel_times.of_step(torch, lambda: calls.append(1), lambda: None)
    else:
        profile = kernel_times.of_step(torch, lambda: calls.append(1), lambda: None)
        assert [name for name, _ in profile["order"]] == STEP
    assert len(calls) == 1 + sum(kernel_times.STEPS[: len(seen)])


def test_times_of_a_step():
    profile = kernel_times.summed(events(STEP))
    assert [(row["name"], row["calls"]) for row in profile["kernels"]] == [
        ("a", 1),
        ("b", 3),
        ("c", 2),
    ]
    assert profile["kernels"][1]["seconds"] == pytest.approx(3e-3)
    assert [name for name, _ in profile["order"]] == STEP
    assert profile["busy"] == pytest.approx(6e-3) and profile["span"] == pytest.approx(11e-3)
    # Two streams: what overlaps is not counted twice.
    both = kernel_times.summed(sorted(events("ab") + events("c", 0.5e-3), key=lambda e: e["ts"]))
    assert both["busy"] == pytest.approx(2.5e-3) and both["span"] == pytest.approx(3e-3)


@pytest.mark.parametrize(
    "name, short",
    [
        ("void implicit_gemm<128, 4>(float const*, int)", "implicit_gemm<128, 4>"),
        ("void relu_backward<float>(float const*)", "relu_backward<float>"),
        ("void f<g<(h)2>(int)>(int)", "f<g<(h)2>(int)>"),
        ("(anonymous namespace)::softmax<4>(int)", "(anonymous namespace)::softmax<4>"),
        ("Memcpy HtoD (Pageable -> Device)", "Memcpy HtoD (Pageable -> Device)"),
        ("void cutlass::" + 30 * "Kernel" + "(Params)", "cutlass::" + 14 * "Kernel" + "Kern..."),
    ],
)
def test_short_names(name, short):
    assert kernel_times.short_name(name) == short


# -- times --------------------------------------------------------------------------------


def test_the_clock_of_the_gpu_holds_it_until_the_host_is_ahead(cuda, monkeypatch):
    clock, made, calls = GpuClock(small=True), [], []

    def make_calls():
        """Each can be made once, as a graph serves for one backward pass."""
        made.append(3)
        return [partial(calls.append, len(made))] * 3

    seconds = clock.timer(make_calls)
    assert seconds() > 0
    assert calls == [1, 1, 1] and clock.host_was_ahead
    assert clock.copy_gbytes() > 0
    # A host that is held up now and then is given another chance.
    answers = iter([True, True, False])
    monkeypatch.setattr(cuda.xp.cuda.Event, "done", property(lambda event: next(answers)))
    seconds()
    assert calls[3:] == [2, 2, 2, 3, 3, 3, 4, 4, 4] and clock.host_was_ahead
    # The GPU is always faster.
    monkeypatch.setattr(cuda.xp.cuda.Event, "done", True)
    seconds()
    assert not clock.host_was_ahead
    assert len(made) == 4 + ATTEMPTS * (1 + np.log2(LAST_COPIES / FIRST_COPIES))


def test_units_are_what_the_network_computes_in_one_operation(cuda):
    network = AlexNet(num_classes=10, image_size=67, width=0.1).to("cuda")
    names = [unit.name for unit in layers.units(network, walk(network, 67, 1, "cuda"))]
    assert names[:4] == ["conv1+relu1", "norm1+pool1", "conv2+relu2", "norm2+pool2"]
    assert names[-4:] == ["fc7", "relu7", "drop7", "fc8"]


def test_noise_is_drawn_once_for_all_arrays():
    noise = layers.Noise()
    large, small = noise((3, 1000)), noise((10, 10))
    assert large.shape == (3, 1000) and large.dtype == small.dtype == np.float32
    assert np.shares_memory(large, small)
    assert np.unique(large).size > 2900 and 0.9 < large.std() < 1.1
    assert noise((5000,)).size == 5000 and np.array_equal(noise((3000,)), large.ravel())


# -- comparisons --------------------------------------------------------------------------


class Fake:
    """A contestant with these norms of gradients."""

    def __init__(self, name, norms, without_norm=False, has_dropout=False):
        self.name, self.without_norm, self.has_dropout = name, without_norm, has_dropout
        self.tolerance = 0.05
        self.gradient_norms = lambda: norms


def test_gradients_are_compared_within_a_network(report):
    entrants = [
        Fake("ours", [1.0, 2.0]),
        Fake("rounded", [1.04, 2.0]),
        Fake("off", [1.0, 1.8]),
        Fake("zero", [1.0, 0.0]),
        Fake("NaN", [1.0, float("nan")]),
        Fake("another network", [5.0, 6.0], without_norm=True),
        Fake("its like", [5.0, 9.0], without_norm=True),
        Fake("dropout", [1.0, 4.0], has_dropout=True),
        Fake("dropout, zero", [1.0, 0.0], has_dropout=True),
    ]
    differences = steps.compare(entrants, {}, report)
    json.dumps(differences, allow_nan=False)
    assert differences[:3] == pytest.approx([0, 0.04, 1 / 9])
    assert differences[5:7] == pytest.approx([0, 0.5])
    assert differences[7:] == [None, None], "no number where masks make the difference"
    named = [problem.partition(":")[0] for problem in problems(report)]
    assert named == ["off", "zero", "NaN", "its like", "dropout, zero"]


def test_contestants_agree(cuda, torch, report):
    """Ours in the emulator and PyTorch on the CPU, of the same weights."""
    network = contestants.network("alexnet", OPTIONS)
    entrants = [contestants.Ours(network, name) for name in PRECISIONS]
    batch = contestants.batch(2, 67)
    for entrant in entrants:
        entrant.take(*batch)
    assert steps.compare(entrants, {}, report)[1] < 0.02
    assert problems(report) == []
    # What it holds is counted, with gradients and momentum. What the pool cannot give back, because
    # it lies between arrays of others, is taken, or a step would find room there.
    before = entrants[0].gradient_norms()
    pool, gaps = cuda.xp.get_default_memory_pool(), []
    pool.free_all_blocks()
    while pool.free_bytes():
        gaps.append(cuda.empty((512,), np.uint8))
    peak = entrants[0].peak_of_step()
    parameters = sum(4 * parameter.numel() for parameter in network.parameters())
    assert 3 * parameters < entrants[0].own_bytes < peak
    # A step leaves the weights nearly as they are.
    assert contestants.difference(entrants[0].gradient_norms(), before) < 1e-3


@pytest.mark.parametrize("loss", [1.5, float("nan")])
def test_smoke_notices_a_wrong_loss(loss, cuda, report, monkeypatch):
    losses = {"cuda": [2.3, loss], "cpu": [2.3, 1.4]}
    monkeypatch.setattr(smoke, "_losses", lambda device, dtype: losses[device])
    monkeypatch.setattr(cuda_kernels, "sources", dict)
    usual = backend.get("cpu").kernels
    smoke.run(OPTIONS, report)
    assert backend.get("cpu").kernels is usual
    assert len(problems(report)) == len(smoke.FORMS)
    expected = f"a step in tf32, [2.3, {loss}], is not the CPU's, [2.3, 1.4]"
    assert problems(report)[2] == f"the loss before and after {expected}"


def test_tests_without_plugins(report, monkeypatch):
    commands = []
    monkeypatch.setattr(tests, "_installed", lambda module: False)
    monkeypatch.setattr(tests, "run_pytest", lambda arguments, report: commands.append(arguments))
    tests.run(OPTIONS, report)
    assert commands == [["-k", tests.SELECTION, *tests.SMALL_TESTS]]
    assert [problem.partition(" ")[0] for problem in problems(report)] == [
        "pytest-xdist",
        "pytest-timeout",
    ]


def test_failed_tests_are_named(report, tmp_path, monkeypatch):
    """With the end of what they say; those that are skipped are counted."""
    file = tmp_path / "test_it.py"
    file.write_text(
        "import pytest\n"
        "def test_right(): pass\n"
        "def test_wrong(): assert 1 == 2\n"
        "def test_broken(missing): pass\n"
        "def test_skipped(): pytest.skip('not now')\n"
    )
    monkeypatch.setattr(tests, "LOOK_EVERY", 0.1)
    code = tests.run_pytest(["-p", "tests.conftest", "-p", "no:xdist", str(file)], report)
    found = results(report)["tests"]
    assert code == 1
    assert found["outcomes"] == {"passed": 1, "failed": 2, "skipped": 1}
    names = [test["test"].rpartition("::")[2] for test in found["failed"]]
    assert names == ["test_wrong", "test_broken"]
    assert len(problems(report)) == 2 and "test_wrong" in problems(report)[0]
    summary = "\n".join(tests.summary(results(report)))
    assert "1 passed, 2 failed, 1 skipped" in summary and "assert 1 == 2" in summary


@pytest.mark.parametrize(
    "gpu, cpu, found",
    [
        ([2.0, 1.0, 1.0, 1.0, 1.0], [2.0, 1.0, 1.0, 1.0, 1.01], None),
        ([2.0, 1.0, 1.0, 1.0, 1.0], [2.0, 1.0, 1.0, 1.0, 1.2], "differs from the CPU's by 3.2%"),
        ([2.0, 1.0], [2.0, 1.0, 1.0, 1.0, 1.0], "2 steps on the GPU, 5 on the CPU"),
    ],
)
def test_a_training_that_begins_otherwise_than_on_the_cpu(gpu, cpu, found, report, monkeypatch):
    order = []

    def start(command, folder):
        order.append(folder.name)
        folder.mkdir()
        losses = gpu if "cuda" in command else cpu
        rows = [json.dumps({"loss": loss}) + "\n" for loss in losses]
        (folder / "steps.jsonl").write_text("".join(rows))
        (folder / "metrics.jsonl").write_text("")

        def wait(seconds):
            order.append(f"{folder.name} ended")
            return 0

        return SimpleNamespace(wait=wait, args=command)

    monkeypatch.setattr(training, "_start", start)
    training.run(OPTIONS, report)
    assert order == ["gpu", "gpu ended", "cpu", "cpu ended"], "neither slows the other"
    assert len(problems(report)) == (found is not None)
    assert found is None or found in problems(report)[0]


def test_a_training_that_is_ended_on_the_cpu_is_compared_as_far_as_it_came():
    losses = {"first losses": [2.0, 1.0, 1.0], "first losses on the CPU": [2.0, 1.1]}
    summary = training.summary({"data": "demo", "command": "train", "epochs": [], **losses})
    assert "Mean loss of the first 2 steps: 1.50000 on the GPU, 1.55000 on the CPU" in summary[-1]
    assert training.summary({"data": "demo", "command": "train"}) == ["On demo: `train`"]


def test_narrow_networks_have_both_ways_of_copying():
    """16 bytes at a time and 4, in the step that smoke makes."""
    model = AlexNet(**smoke.NETWORK)
    inner = {
        layer.module.weight.shape[1] % 4 for layer in walk(model, 67, 1) if "conv" in layer.name
    }
    assert 0 in inner and len(inner) > 1


@pytest.mark.parametrize("tool", sanitizers.TOOLS)
def test_planted_defects_compile_for_a_device(tool):
    kernels = nvrtc.compile_source(planted_defects.SOURCE, [tool], 90, ("-std=c++17",))
    assert tool in "".join(kernels)


def test_planted_defects_are_launched(cuda):
    """The emulator, too, notices one of them: others are no business of its plain mode."""
    allocator = cuda.xp.cuda.get_allocator()
    try:
        for tool in ("memcheck", "racecheck", "initcheck"):
            planted_defects.main(tool)
        with pytest.raises(EmulatorError, match="synccheck"):
            planted_defects.main("synccheck")
    finally:
        cuda.xp.cuda.set_allocator(allocator)


# -- what a part has reported -------------------------------------------------------------


def test_a_result_that_is_replaced_is_told_before_the_end(monkeypatch):
    monkeypatch.setattr(runner, "TELL_EVERY", 0.05)
    told = []
    work = "tests.benchmarks.gpu_check.fake_parts:counts"
    entry = runner.run(
        work, OPTIONS, 30, io.BytesIO(), lambda entry: told.append(entry.results.get("count"))
    )
    assert entry.results == {"count": 9}
    assert len({count for count in told if count is not None}) >= 3


class Timed(contestants.Contestant):
    """A step takes the host 2 seconds of `clock` if the queue is empty, or else 10.

    Others hold 300 bytes of the 450 that are taken from the device; a step takes 250 more.
    """

    held, clock = 300, 0.0

    def __init__(self):
        super().__init__("timed", 0.0)
        self.queue_is_empty = True

    def _take(self, images, labels):
        self.held += 50

    def step(self):
        self.clock += 2 if self.queue_is_empty else 10
        self.queue_is_empty = False

    def synchronize(self):
        self.clock += 0 if self.queue_is_empty else 3
        self.queue_is_empty = True

    def gradient_norms(self):
        return []

    def held_bytes(self):
        return self.held

    def free(self):
        return 450

    def most_taken(self):
        return 700


def test_time_of_the_host_is_that_of_an_empty_queue(monkeypatch):
    timed = Timed()
    monkeypatch.setattr(contestants.time, "perf_counter", lambda: timed.clock)
    assert timed.sample(3) == (2 + 10 + 10 + 3) / 3
    assert timed.host_seconds == [2]


def test_memory_that_others_have_left_as_garbage_is_not_subtracted():
    timed = Timed()

    class Garbage:
        def __init__(self):
            self.circle = self

        def __del__(self):
            timed.held -= 100

    Garbage()
    timed.take(None, None)
    assert timed.own_bytes == 50


def test_peak_is_without_what_others_hold():
    timed = Timed()
    timed.take(None, None)
    assert timed.own_bytes == 50
    assert timed.peak_of_step() == 50 + 250
