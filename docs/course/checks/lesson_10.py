"""Exercise 10 against the network itself."""

from types import ModuleType

from alexnet import AlexNet
from course.checks.compare import WrongAnswer, require_shape
from minigrad import nn


def check(solution: ModuleType) -> None:
    """Raise WrongAnswer unless the numbers are those of the project's network."""
    for num_classes, image_size, groups in ((1000, 227, 2), (1000, 227, 1), (10, 67, 2)):
        with nn.init.skipped():  # only shapes are looked at
            network = AlexNet(num_classes, image_size, groups=groups)
        expected = {name: parameter.numel() for name, parameter in network.named_parameters()}
        got = solution.parameters(num_classes, image_size, groups)
        require_shape("parameters", got, ())
        if got != sum(expected.values()):
            raise WrongAnswer(
                f"parameters({num_classes}, {image_size}, {groups}): expected "
                f"{sum(expected.values()):,}, got {got:,}. Layer by layer: {expected}"
            )
