"""docs/differences-from-pytorch.md, held against both libraries."""

import importlib
import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import nn, optim

PAGE = (Path(__file__).parents[1] / "docs/differences-from-pytorch.md").read_text()


def section(title):
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def rows(title):
    """The names in the first two columns of a section's table."""
    for line in section(title).splitlines():
        if line.startswith("| `"):
            first, second, *_ = [cell.strip() for cell in line.strip("|").split("|")]
            yield first.strip("`"), second.strip("`")


def optimizer_and_schedule(library, parameter, schedule):
    optimizer = library.SGD([parameter], 0.1)
    return optimizer, schedule(optimizer, (1,))


def ours():
    parameter = nn.Parameter(np.ones(1, np.float32))
    optimizer, schedule = optimizer_and_schedule(optim, parameter, optim.MultiStep)
    return {
        "mg": mg,
        "F": F,
        "nn": nn,
        "optim": optim,
        "tensor": mg.tensor([[1.0]]),
        "ctx": mg.Context,
        "module": nn.Module,
        "optimizer": optimizer,
        "schedule": schedule,
    }


def theirs(torch):
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer, schedule = optimizer_and_schedule(
        torch.optim, parameter, torch.optim.lr_scheduler.MultiStepLR
    )

    class Context(torch.autograd.Function):  # what ctx is there has the attributes of this class
        pass

    return {
        "torch": torch,
        "F": torch.nn.functional,
        "nn": torch.nn,
        "optim": torch.optim,
        "tensor": torch.ones(1, 1),
        "ctx": Context._backward_cls,
        "module": torch.nn.Module,
        "optimizer": optimizer,
        "schedule": schedule,
    }


def exists(name, objects):
    first, *attributes = name.split(".")
    value = objects[first]
    if name == "nn.Sequential.steps":  # given to instances
        value, attributes = objects["nn"].Sequential(), ["steps"]
    for attribute in attributes:
        # The module torch.autograd.gradcheck lies behind the function of that name.
        module = sys.modules.get(f"{value.__module__}") if inspect.isfunction(value) else None
        if not hasattr(value, attribute) and not hasattr(module, attribute):
            return False
        value = getattr(value, attribute, None)
    return True


def test_names_of_the_tables_exist(torch):
    for name, other in rows("Other names"):
        assert exists(name, ours()), name
        assert exists(other, theirs(torch)), other
    for name, _ in rows("Only in minigrad"):
        assert exists(name, ours()), name
        if not name.startswith("mg."):
            assert not exists(name, theirs(torch)), name
    for name in re.findall(r"`(\w+)`", section("Other names").split("\n\n")[1].split(":")[1]):
        assert hasattr(F, name) and hasattr(torch, name), name
        assert not hasattr(torch.nn.functional, name), name


def public(value):
    return [name for name in dir(value) if not name.startswith("_")]


def defined(module):
    return [
        name
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    ]


def test_every_name_that_pytorch_does_not_have_is_on_the_page(torch):
    own, other = ours(), theirs(torch)
    names = {
        "mg": [name for name in mg.__all__ if not hasattr(torch, name)],
        "F": [name for name in defined(F) if not hasattr(torch.nn.functional, name)],
        "nn": [name for name in nn.__all__ if not hasattr(torch.nn, name)],
        "nn.init": [name for name in defined(nn.init) if not hasattr(torch.nn.init, name)],
        "optim": [name for name in optim.__all__ if not hasattr(torch.optim, name)],
    }
    for kind in ("tensor", "optimizer", "schedule"):
        names[kind] = [name for name in public(own[kind]) if not hasattr(other[kind], name)]
    module, peer = nn.Module(), torch.nn.Module()
    names["module"] = [name for name in public(module) if not hasattr(peer, name)]
    missing = [
        f"{kind}.{name}"
        for kind, found in names.items()
        for name in found
        if f"`{kind}.{name}`" not in PAGE and not (kind == "F" and f"`{name}`" in PAGE)
    ]
    assert not missing


# -- meanings -----------------------------------------------------------------------------


def test_tensors(torch):
    array = np.ones(3)
    assert mg.Tensor(array).data is array and mg.Tensor([1.0]).dtype == np.float32
    x, y = mg.tensor([1.0], requires_grad=True), torch.ones(1, requires_grad=True)
    assert x.device == "cpu" and (x * 2.0).numpy().tolist() == [2]
    with pytest.raises(RuntimeError):
        y.numpy()
    assert (y + torch.ones(1, dtype=torch.float64)).dtype == torch.float64
    with pytest.raises(TypeError):
        x + mg.tensor([1.0], dtype=np.float64)
    with pytest.raises(TypeError):
        mg.tensor([1]) + mg.tensor([2])
    before = x
    x += 1
    assert x is not before
    with pytest.raises(TypeError):
        x[0] = 1
    with pytest.raises(TypeError):
        x > 0  # noqa: B015
    assert x == x and not x == mg.tensor([2.0])


def test_cross_entropy_takes_labels_of_any_integer_type(torch):
    scores, labels = np.eye(2, 3, dtype=np.float32), np.array([1, 2], np.int32)
    expected = torch.nn.functional.cross_entropy(torch.tensor(scores), torch.tensor([1, 2]))
    for target in (labels, labels.tolist(), mg.Tensor(labels)):
        assert F.cross_entropy(mg.Tensor(scores), target).item() == pytest.approx(expected.item())


def test_functions(torch):
    x, y = mg.tensor([[1.0, 3.0, 3.0]]), torch.tensor([[1.0, 3.0, 3.0]])
    assert F.max(x, 1).numpy() == torch.amax(y, 1).numpy()
    np.testing.assert_allclose(F.softmax(x).numpy(), torch.softmax(y, -1).numpy(), rtol=1e-6)
    assert torch.nn.functional.linear(torch.ones(2), torch.ones(2)).shape == ()
    with pytest.raises(ValueError):
        F.linear(mg.tensor([1.0, 1.0]), mg.tensor([1.0, 1.0]))
    images = np.ones((1, 1, 4, 4), np.float32)
    assert torch.nn.functional.avg_pool2d(torch.tensor(images), 2, padding=(1,)).shape[2] == 3
    with pytest.raises(ValueError):
        F.avg_pool2d(mg.Tensor(images), 2, padding=(1,))
    with pytest.raises(TypeError, match="return_indices"):
        F.max_pool2d(mg.Tensor(images), 2, return_indices=True)
    without_channels = np.ones((1, 0, 4, 4), np.float32)
    pool = torch.nn.functional.adaptive_avg_pool2d
    assert pool(torch.tensor(without_channels), 2).shape == (1, 0, 2, 2)
    with pytest.raises(ValueError):
        F.adaptive_avg_pool2d(mg.Tensor(without_channels), 2)
    with pytest.raises(TypeError):
        F.pow(x, x)
    assert torch.nn.functional.pad(y, (-1, 0)).shape == (1, 2)
    with pytest.raises(ValueError):
        F.pad(x, (-1, 0))
    with pytest.raises(ValueError):
        F.pad(x, (1, 0), mode="reflect")
    with pytest.raises(ValueError):
        x + mg.tensor([1.0, 2.0])
    with pytest.raises(RuntimeError):
        y + torch.tensor([1.0, 2.0])


@pytest.mark.parametrize("name", ["kaiming_normal_", "kaiming_uniform_"])
def test_default_of_kaiming(name, torch):
    own = getattr(nn.init, name)(nn.Parameter(np.empty((300, 200), np.float32))).numpy()
    other = getattr(torch.nn.init, name)(torch.empty(300, 200)).numpy()
    assert own.std() == pytest.approx(other.std(), rel=0.02)
    assert own.std() == pytest.approx((2 / 200) ** 0.5, rel=0.02)


def test_state_that_does_not_fit(torch):
    with pytest.raises(KeyError):
        nn.Linear(2, 1).load_state_dict({})
    with pytest.raises(RuntimeError):
        torch.nn.Linear(2, 1).load_state_dict({})
    assert isinstance(nn.Linear(2, 1).state_dict()["weight"], np.ndarray)


@pytest.mark.parametrize("form", ["torch", "paper"])
def test_sgd_is_that_of_pytorch_until_the_rate_changes(form, torch):
    own, other = nn.Parameter(np.ones(1)), torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = optim.SGD([own], 0.1, momentum=0.9, form=form)
    other_optimizer = torch.optim.SGD([other], 0.1, momentum=0.9)
    equal = []
    for step in range(4):
        if step == 2:
            optimizer.groups[0]["lr"] = other_optimizer.param_groups[0]["lr"] = 0.01
        own.grad, other.grad = mg.Tensor(np.ones(1)), torch.ones(1, dtype=torch.float64)
        optimizer.step()
        other_optimizer.step()
        equal.append(own.numpy()[0] == pytest.approx(other.item(), abs=1e-12))
    assert equal == [True, True, form == "torch", form == "torch"]


def test_plateau(torch):
    def rates(optimizer, groups, end):
        found = []
        for _ in range(12):
            end(1.0)
            found.append(round(groups(optimizer)[0]["lr"], 6))
        return found

    optimizer = optim.SGD([nn.Parameter(np.ones(1))], 1.0)
    schedule = optim.DivideOnPlateau(optimizer)
    assert rates(optimizer, lambda o: o.groups, schedule.epoch_end) == (
        [1] * 3 + [0.1] * 3 + [0.01] * 3 + [0.001] * 3
    )
    other = torch.optim.SGD([torch.ones(1, requires_grad=True)], 1.0)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(other, patience=2)
    assert rates(other, lambda o: o.param_groups, plateau.step) == (
        [1] * 3 + [0.1] * 3 + [0.01] * 3 + [0.001] * 3
    )


def test_classes_of_errors(torch):
    assert issubclass(mg.GradcheckError, AssertionError)
    module = importlib.import_module("torch.autograd.gradcheck")
    assert issubclass(module.GradcheckError, RuntimeError)
    with pytest.raises(ValueError, match="expected 'highest' or 'high', got 'medium'"):
        mg.set_float32_matmul_precision("medium")
