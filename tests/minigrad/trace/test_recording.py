"""What a trace records: layers, passes, nesting, threads, and where it ends."""

import os
import threading

import numpy as np
import pytest

import minigrad as mg
from alexnet import AlexNet, AlexNetOWT
from alexnet.inference.layers import named_layers
from minigrad import functional as F
from minigrad import nn, observers
from minigrad.trace import measuring, name_layers, recording
from tests.minigrad.trace.networks import Step, network


def operations(t):
    return [(call.layer, call.phase, call.work.operation) for call in t.calls]


def test_a_step_call_by_call():
    step = Step()
    with mg.trace() as t:
        step()
    pair, pool = "0.pair.0 + 0.pair.1", "0.pool"
    assert operations(t) == [
        (pair, "forward", "conv2d.forward_relu"),
        (pool, "forward", "max_pool2d.forward"),
        ("2", "forward", "linear.forward"),
        ("", "forward", "cross_entropy.forward"),
        ("", "backward", "cross_entropy.backward"),
        ("2", "backward", "linear.backward_input"),
        ("2", "backward", "linear.backward_weight"),
        ("2", "backward", "bias.backward"),
        (pool, "backward", "max_pool2d.backward"),
        (pair, "backward", "bias.backward_relu"),
        (pair, "backward", "conv2d.backward_weight"),
        *[("SGD", "update", "sgd.update")] * 4,
    ]


def test_a_step_on_a_gpu_is_the_same_calls(cuda):
    on_cpu, on_gpu = Step(), Step(network().to("cuda"))
    with mg.trace() as expected:
        on_cpu()
    with mg.trace() as t:
        on_gpu()
    assert operations(t) == operations(expected)
    assert {call.work.device for call in t.calls} == {"cuda"}
    assert [c.work.bytes for c in t.calls] == [c.work.bytes for c in expected.calls]


def test_spans_contain_what_runs_within_them():
    step = Step()
    with mg.trace() as t:
        step()

    def parents(event):
        around = [
            span
            for span in t.spans
            if span is not event
            and span.began <= event.began
            and event.began + event.seconds <= span.began + span.seconds + 1e-9
        ]
        return [span.name for span in sorted(around, key=lambda span: span.began)]

    pair = "0.pair.0 + 0.pair.1"
    assert parents(t.calls[0]) == ["Sequential", "0", pair, "Conv2dReLU"]
    assert parents(t.calls[2]) == ["Sequential", "2", "Linear"]
    assert parents(t.calls[3]) == ["CrossEntropy"]
    assert parents(t.calls[5]) == ["backward", "Linear"]
    assert parents(t.calls[-1]) == ["SGD"]
    kinds = {span.name: span.kind for span in t.spans if span.name != "Linear"}
    assert kinds["Sequential"] == kinds["0"] == "module" and kinds["SGD"] == "update"
    assert kinds["backward"] == "backward pass"
    assert [span.kind for span in t.spans if span.name == "Linear"] == ["forward", "backward"]


def layers_of(t, phase):
    return list(dict.fromkeys(call.layer for call in t.calls if call.phase == phase))


@pytest.mark.parametrize("kind", [AlexNet, AlexNetOWT])
@pytest.mark.parametrize("named", [True, False])
def test_layers_of_the_networks(kind, named):
    model = kind(num_classes=3, image_size=67, width=0.1)
    step = Step(model, (2, 3, 67, 67), (0, 2))
    with mg.trace() as t:
        if named:
            t.name_layers(named_layers(model))
        step()
    forward, backward = layers_of(t, "forward"), layers_of(t, "backward")
    assert forward[-1] == backward[0] == "", "the loss"
    # An operation without a kernel, such as that of a layer that only reshapes, is no call.
    assert forward[:-1] == backward[:0:-1]
    if named and kind is AlexNet:
        assert " ".join(forward) == (
            "conv1 + relu1 norm1 + pool1 conv2 + relu2 norm2 + pool2 conv3 + relu3 conv4 + relu4 "
            "conv5 + relu5 pool5 fc6 relu6 drop6 fc7 relu7 drop7 fc8 "
        )
    known = named_layers(model) if named else dict(model.named_modules())
    assert {part for layer in forward[:-1] for part in layer.split(" + ")} <= set(known)
    assert {layer for layer, _, operation in operations(t) if operation == "sgd.update"} == {"SGD"}


def test_names_that_are_given_for_all_traces():
    model = network()
    name_layers({"last": model[2]})
    with mg.trace() as t:
        model(mg.Tensor(np.zeros((1, 2, 6, 6), np.float32)))
    assert layers_of(t, "forward") == ["0.pair.0 + 0.pair.1", "0.pool", "last"]
    with mg.trace() as t:
        t.name_layers({"mine": model[2]})
        model(mg.Tensor(np.zeros((1, 2, 6, 6), np.float32)))
    assert layers_of(t, "forward")[-1] == "mine"


def test_names_need_modules():
    with pytest.raises(TypeError, match="'conv1' is a str, not a Module"):
        mg.trace().name_layers({"conv1": "a convolution"})


def test_layers_without_a_name():
    layer = nn.ReLU()
    with mg.trace() as t:
        layer(mg.tensor([1.0]))  # called by itself
        F.relu(mg.tensor([1.0]))
    assert layers_of(t, "forward") == ["ReLU", ""]


def test_a_backward_pass_of_a_forward_pass_that_was_not_traced():
    step = Step()
    loss = F.cross_entropy(step.model(step.images), step.labels)
    with mg.trace() as t:
        loss.backward()
    assert layers_of(t, "backward") == [""]


def test_a_layer_that_computes_its_gradient_after_the_block_of_its_forward():
    step = Step()
    with mg.trace():
        loss = F.cross_entropy(step.model(step.images), step.labels)
    with mg.trace() as t:
        loss.backward()
    assert layers_of(t, "backward") == ["", "2", "0.pool", "0.pair.0 + 0.pair.1"]


def test_nested_traces_record_the_same_calls():
    x = mg.tensor([1.0])
    with mg.trace() as outer:
        F.relu(x)
        with mg.trace(statistics=True) as inner:
            F.relu(x)
        F.relu(x)
    assert len(outer.calls) == 3 and len(inner.calls) == 1
    assert inner.calls[0].seconds == outer.calls[1].seconds
    assert inner.calls[0].statistics and not any(call.statistics for call in outer.calls)


def test_one_trace_after_the_other():
    x = mg.tensor([1.0])
    with mg.trace() as first:
        F.relu(x)
    with mg.trace() as second:
        F.relu(x)
    assert len(first.calls) == len(second.calls) == 1


def test_a_trace_records_one_block():
    with mg.trace() as t:
        pass
    with pytest.raises(RuntimeError, match="make another one with minigrad.trace()"), t:
        pass


def test_nothing_is_left_after_an_exception():
    step = Step()
    step.labels = np.array([0, 1, 2, 3])  # one too many
    with pytest.raises(ValueError), mg.trace() as t:
        step()
    assert not observers.active and not measuring.running
    assert t.calls[-1].work.operation == "linear.forward"
    assert {span.name for span in t.spans} >= {"Sequential", "Linear"}

    class Broken(nn.Module):
        def forward(self, input):
            F.relu(input)
            raise KeyboardInterrupt

    with mg.trace() as t:
        with pytest.raises(KeyboardInterrupt):
            nn.Sequential(Broken())(mg.tensor([1.0]))
        F.relu(mg.tensor([1.0]))
    assert [call.layer for call in t.calls] == ["0", ""], "the layers that ended are not around"


def test_every_thread_has_layers_of_its_own():
    barrier = threading.Barrier(3)
    layers = {name: nn.ReLU() for name in ("one", "two", "three")}
    numbers = {}

    def work(name):
        numbers[name] = threading.get_native_id()
        barrier.wait()
        for _ in range(20):
            layers[name](mg.tensor([1.0]))

    with mg.trace() as t:
        t.name_layers(layers)
        threads = [threading.Thread(target=work, args=[name], name=name) for name in layers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(t.calls) == 60 and {name: t.threads[numbers[name]] for name in layers} == {
        name: name for name in layers
    }
    assert all(call.thread == numbers[call.layer] for call in t.calls)


def test_another_thread_that_goes_on_after_the_block_is_not_recorded():
    started, proceed = threading.Event(), threading.Event()

    class Slow(nn.Module):
        def forward(self, input):
            started.set()
            proceed.wait()
            return F.relu(input)

    thread = threading.Thread(target=lambda: Slow()(mg.tensor([1.0])))
    with mg.trace() as t:
        thread.start()
        started.wait()
    proceed.set()
    thread.join()
    assert not t.calls and not t.spans and not t.table.rows


def test_only_the_table_goes_on_after_so_many_events(monkeypatch):
    monkeypatch.setattr(recording, "MOST_EVENTS", 5)
    with mg.trace() as t:
        for _ in range(10):
            F.relu(mg.tensor([1.0]))
    assert len(t.calls) + len(t.spans) == 5 and t.omitted == 15
    assert t.table.rows["", "forward", "relu.forward"].calls == 10
    assert str(t).endswith("15 calls and spans are in this table only, not in `calls` and files.")


def test_the_rows_are_the_outermost_spans():
    step = Step()
    with mg.trace() as t:
        step()
    outermost = [s for s in t.spans if s.name in ("Sequential", "CrossEntropy", "backward", "SGD")]
    outermost += [s for s in t.spans if s.name in ("Sum", "Divide") and s.kind == "forward"]
    assert t.table.seconds <= sum(span.seconds for span in outermost)
    kernels = sum(call.seconds for call in t.calls)
    assert t.table.seconds >= kernels
    rows = sum(row.seconds for row in t.table.rows.values() if row.works)
    assert rows == pytest.approx(kernels)


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves where a test moves it, by so many ms."""

    class Clock:
        now = 0

        def advance(self, milliseconds):
            self.now += 1_000_000 * milliseconds

        def perf_counter_ns(self):
            return self.now

    clock = Clock()
    for module in (recording, measuring):
        monkeypatch.setattr(module, "time", clock)
    return clock


class Slow(nn.Module):
    """Takes some ms before its operation."""

    def __init__(self, clock, milliseconds):
        self.clock, self.milliseconds = clock, milliseconds

    def forward(self, input):
        self.clock.advance(self.milliseconds)
        return F.relu(input)


def test_the_time_of_tracing_belongs_to_no_row(clock):
    """Statistics and reports take time within spans, which no row has."""
    t = recording.Trace(report=lambda call: clock.advance(200))
    with t:
        nn.Sequential(Slow(clock, 50))(mg.tensor([1.0]))
    assert [(span.name, span.seconds) for span in t.spans] == [
        ("ReLU", 0.2),
        ("0", 0.25),
        ("Sequential", 0.25),
    ]
    assert t.table.seconds == pytest.approx(0.05) and t.calls[0].seconds == 1e-9


def test_time_that_no_kernel_takes_belongs_to_the_span_around_it(clock):
    with mg.trace() as t:
        nn.Sequential(Slow(clock, 30), Slow(clock, 70))(mg.tensor([1.0]))
        clock.advance(1000)  # outside of all spans
    rest = t.table.rows["", "forward", "(outside of kernels)"]
    assert rest.seconds == pytest.approx(0.1) and t.table.seconds == pytest.approx(0.1)
    began = {span.name: (span.began, span.seconds) for span in t.spans if span.kind == "module"}
    assert began == {"0": (0, 0.03), "1": (0.03, 0.07), "Sequential": (0, 0.1)}


def test_operations_without_kernels_have_rows():
    step = Step()
    with mg.trace() as t:
        step()
    rows = t.table.rows
    assert rows["0", "forward", "Tanh"].calls == rows["0", "backward", "Tanh"].calls == 1
    assert rows["1", "forward", "Reshape"].calls == 1
    assert ("0.pool", "forward", "MaxPool2d") not in rows, "its kernel has one"


def test_a_gpu_is_waited_for_at_the_end_of_an_operation(cuda, monkeypatch):
    """So that the time of what has no kernel is not taken for that of the next call."""
    waits = []
    monkeypatch.setattr(type(cuda), "synchronize", lambda self: waits.append("wait"))
    x = mg.Tensor(cuda.asarray(np.ones(3, np.float32)))
    with mg.trace():
        F.tanh(x)
        assert waits == ["wait"]
        nn.Tanh()(x)
        assert waits == ["wait"] * 3, "the operation, and the module around it"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_not_traced():
    x = np.array([1.0], np.float32)
    with mg.trace() as t:
        child = os.fork()
        if child == 0:
            is_clean = (
                not observers.active and not measuring.running and not observers.changing.locked()
            )
            os._exit(0 if is_clean and not t.calls else 1)
        _, status = os.waitpid(child, 0)
        F.relu(mg.Tensor(x))
    assert os.waitstatus_to_exitcode(status) == 0 and len(t.calls) == 1
