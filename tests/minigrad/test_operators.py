"""The operators and methods of Tensor are functions of `minigrad.functional`."""

import ast
import inspect

import minigrad as mg
from minigrad import functional as F
from minigrad import operators


def declared_for_type_checkers():
    for node in ast.walk(ast.parse(inspect.getsource(inspect.getmodule(mg.Tensor)))):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from node.body


def test_type_checkers_know_every_operator_and_method():
    declared = {function.name: function for function in declared_for_type_checkers()}
    assert set(declared) == set(operators._METHODS)
    for name, function in declared.items():
        ours = inspect.signature(getattr(mg.Tensor, name)).parameters
        arguments = function.args
        every = (*arguments.args, arguments.vararg, arguments.kwarg)
        names = [argument.arg for argument in every if argument]
        assert names[1:] == list(ours)[1:], name
        defaults = [ast.literal_eval(default) for default in arguments.defaults]
        assert defaults == [p.default for p in ours.values() if p.default is not p.empty], name


def test_help_is_that_of_the_function():
    assert mg.Tensor.sum.__doc__ == F.sum.__doc__ and "Sum over" in F.sum.__doc__
