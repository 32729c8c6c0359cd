"""Mistakes in the trace, and in what it is told."""

from tests.stress.planted_bugs import Fault

RECORDING = "minigrad/trace/recording.py"
MEASURING = "minigrad/trace/measuring.py"
WORK = "minigrad/trace/work.py"
TESTS = "tests/minigrad/trace/"

FAULTS = [
    Fault(
        "trace: the reason is that of another algorithm than runs",
        "kernels/conv2d/cpu_choice.py",
        'arguments["bfloat16"])\n    stride',
        "False)\n    stride",
        "tests/kernels/test_choice.py -k test_cpu",
    ),
    Fault(
        "trace: a gradient's padding does not count for the choice on the GPU",
        "kernels/conv2d/cuda_choice.py",
        "if padding[0] >= KH or padding[1] >= KW:",
        "if padding[0] >= KH:",
        "tests/kernels/test_choice.py -k gpu",
    ),
    Fault(
        "trace: the FLOPs of groups are those of all channels",
        "kernels/conv2d/__init__.py",
        "return 2 * multiply_adds(output.shape, weight.shape)",
        'return 2 * multiply_adds(output.shape, weight.shape) * arguments["groups"]',
        "tests/kernels/test_flops.py",
    ),
    Fault(
        "trace: what is updated in place is moved once",
        WORK,
        "array.nbytes * (2 if array.name in updated else 1)",
        "array.nbytes",
        TESTS + "test_measuring.py -k sgd.update",
    ),
    Fault(
        "trace: a dropout's input is taken for channels last",
        WORK,
        '{"adam", "dropout", ',
        '{"adam", ',
        TESTS + "test_measuring.py -k formats",
    ),
    Fault(
        "trace: infinities spoil the mean",
        WORK,
        "finite = array if is_finite.all() else array[is_finite]",
        "finite = array[~np.isnan(array)]",
        TESTS + "test_work.py -k finite",
    ),
    Fault(
        "trace: the stand-ins stay after an exception",
        MEASURING,
        "if was_running and not running:",
        "if was_running and running:",
        TESTS + "test_measuring.py -k after_the_block",
    ),
    Fault(
        "trace: the GPU is not waited for at the end of a call",
        MEASURING,
        "        device.synchronize()\n        ended",
        "        ended",
        TESTS + "test_measuring.py -k waited",
    ),
    Fault(
        "trace: statistics are part of the time of a span",
        MEASURING,
        "recorder.pause(pause)",
        "recorder.pause(0)",
        TESTS + "test_recording.py -k time_of_tracing",
    ),
    Fault(
        "trace: a backward operation belongs to no layer",
        RECORDING,
        'name, layer = subject.__name__, ctx.traced_layer or ""',
        "name = subject.__name__",
        TESTS + "test_recording.py -k call_by_call",
    ),
    Fault(
        "trace: an exception leaves the layers open",
        RECORDING,
        "del thread.open[thread.open.index(span) :]",
        "thread.open.pop(0)",
        TESTS + "test_recording.py -k nothing_is_left",
    ),
    Fault(
        "trace: all threads share what is open",
        RECORDING,
        "class _Thread(threading.local):",
        "class _Thread:",
        TESTS + "test_recording.py -k every_thread",
    ),
    Fault(
        "trace: events grow without an end",
        RECORDING,
        "len(self.calls) + len(self.spans) < MOST_EVENTS",
        "len(self.calls) < MOST_EVENTS",
        TESTS + "test_recording.py -k only_the_table",
    ),
    Fault(
        "trace: a child goes on with the trace of its parent",
        MEASURING,
        "os.register_at_fork(after_in_child=_after_fork)",
        "pass",
        TESTS + "test_recording.py -k forked",
    ),
    Fault(
        "trace: times in the file are milliseconds",
        "minigrad/trace/file.py",
        '"dur": round(1e6 * event.seconds, 3)',
        '"dur": round(1e3 * event.seconds, 3)',
        TESTS + "test_file.py",
    ),
    Fault(
        "trace: of arithmetic and memory the faster one is the limit",
        "minigrad/trace/limits.py",
        "max(flops / gflops, transferred / gbytes)",
        "min(flops / gflops, transferred / gbytes)",
        TESTS + "test_limits.py -k roofline",
    ),
    Fault(
        "trace: a file of an earlier trace is overwritten",
        "minigrad/trace/environment.py",
        "path.touch(exist_ok=False)",
        "path.touch()",
        TESTS + "test_environment.py -k stay",
    ),
    Fault(
        "trace: what fails has no end",
        "minigrad/observers.py",
        "    finally:\n        for observer, its",
        "    except KeyError:\n        pass\n    else:\n        for observer, its",
        "tests/minigrad/test_observers.py",
    ),
]
