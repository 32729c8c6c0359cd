"""``python -m benchmarks.gpu_check --out DIR``: all there is to learn from ten minutes on a GPU.

The parts run one after the other, the most valuable first, each in a process of its own with a
time limit: one that fails, hangs or breaks the device costs its own time and nothing else. What is
known is on the disk at every moment, in ``DIR/gpu_check.json`` and, to be read, ``DIR/summary.md``.

    __main__.py    options, the order of the parts, exit codes
    runner.py      a part in a process, from start to end
    record.py      the files in DIR
    part.py        the other side: what runs in that process, and how it reports
    device.py smoke.py steps.py kernels.py tests.py layers.py sanitizers.py compiled.py training.py
    feeding.py counters.py
                   a part each: `run` does the work, `summary` makes Markdown of what it found

What they share:

    contestants.py       a training step of this engine, and PyTorch's
    kernel_times.py      what each kernel of a step takes, from CUPTI
    gpu_clock.py         the time of work that is too short for the clock of the host
    planted_defects.py   wrong kernels that compute-sanitizer must notice
    pytest_reporter.py   a plugin of pytest that writes down how each test ended
"""
