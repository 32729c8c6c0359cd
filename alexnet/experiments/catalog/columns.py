"""Sections 3.2 and 6.1: two columns against one, and what each of the two learns."""

from alexnet.experiments.catalog.half_size import HALF_SIZE
from alexnet.experiments.experiment import ColorColumns, Difference, Experiment

COLUMNS = Experiment(
    name="columns",
    title="Two columns lower the test error, and only one of them sees color",
    section="Sections 3.2 and 6.1",
    claims=(
        "This scheme reduces our top-1 and top-5 error rates by 1.7% and 1.2%, respectively, as "
        "compared with a net with half as many kernels in each convolutional layer trained on one "
        "GPU.",
        "The kernels on GPU 1 are largely color-agnostic, while the kernels on GPU 2 are largely "
        "color-specific. This kind of specialization occurs during every run and is independent "
        "of any particular random weight initialization (modulo a renumbering of the GPUs).",
    ),
    data="imagenette",
    # The start of the authors' code: with the default start conv1 stays close to noise.
    settings={**HALF_SIZE, "init": "code2012", "scale": 1, "lr": 0.01},
    arms={
        "two": {"groups": 2},
        # Half as many kernels, but for the last convolution and the hidden layers (footnote 2).
        "half": {"groups": 1, "width": "0.25,conv5=0.5,fc6=0.5,fc7=0.5"},
        # As many kernels as in the two columns, each of which sees all channels.
        "full": {"groups": 1},
    },
    seeds=5,
    color_columns=True,
    comparisons=(
        Difference("two", "half", "val_error", sign=-1, size=0.017),
        Difference("two", "full", "val_error", sign=0),
        ColorColumns("two"),
        ColorColumns("half", null=True),
        ColorColumns("full", null=True),
    ),
    minutes=20,
)
