"""Mistakes in the variants of the networks, and in what follows from them."""

from tests.stress.planted_bugs import Fault

VARIANTS = "tests/alexnet/test_variants.py -k "
BUILD = "tests/alexnet/training/test_build.py -k "
OPTIONS = "tests/alexnet/training/test_network_options.py -k "
LAYERS = "alexnet/model/layers.py"
ONNX = "tests/alexnet/export/test_onnx_file.py -k every_variant"
PYTORCH = "tests/alexnet/export/test_pytorch.py -k variant"

FAULTS = [
    Fault(
        "variants: a column sees the other one at the boundary",
        LAYERS,
        "reshape(N, H, W * self.columns, C // self.columns)",
        "reshape(N, H, W, C)",
        VARIANTS + "column_does_not_see",
    ),
    Fault(
        "variants: the square of the normalization is without the pixels beyond the edge",
        LAYERS,
        "self.size, 1, self.size // 2)",
        "self.size, 1, self.size // 2, count_include_pad=False)",
        VARIANTS + "scores_and_gradients",
    ),
    Fault(
        "variants: averages over windows at the edge count pixels that are not there",
        "alexnet/model/cifar.py",
        """nn.AvgPool2d(**window, count_include_pad=False),
                *normalize(),""",
        """nn.AvgPool2d(**window, divisor_override=size**2),
                *normalize(),""",
        VARIANTS + "scores_and_gradients",
    ),
    Fault(
        "variants: a hidden layer keeps its ReLU beside tanh",
        "alexnet/model/paper.py",
        "return nn.ReLU(inplace=True) if is_relu else nn.Tanh()",
        "return nn.ReLU(inplace=True)",
        VARIANTS + "scores_and_gradients",
    ),
    Fault(
        "variants: conv5 keeps two groups",
        "alexnet/model/paper.py",
        'convolution("conv5", previous, 3, padding=1, groups=groups)',
        'convolution("conv5", previous, 3, padding=1, groups=2)',
        VARIANTS + "scores_and_gradients",
    ),
    Fault(
        "variants: weights before a tanh begin as before a ReLU",
        "alexnet/model/initialization.py",
        "gain = math.sqrt(variance * kept)",
        "gain = math.sqrt(kept)",
        VARIANTS + "variance",
    ),
    Fault(
        "variants: alpha is divided by the scale, not by its square",
        "alexnet/model/__init__.py",
        "/ scale**2",
        "/ scale",
        VARIANTS + "gray_levels",
    ),
    Fault(
        "variants: alpha stays that of gray levels",
        "alexnet/model/__init__.py",
        'elif name != "none" and scale != 1:',
        'elif name == "caffe" and scale != 1:',
        VARIANTS + "gray_levels",
    ),
    Fault(
        "variants: plain pooling may give larger maps",
        "alexnet/model/paper.py",
        "if size % 2 == 0:",
        "if size == 0:",
        VARIANTS + "plain_pooling",
    ),
    Fault(
        "variants: what every network does is stored",
        "alexnet/model/__init__.py",
        "if value != DEFAULTS.get(name)}",
        "}",
        VARIANTS + "anyway",
    ),
    Fault(
        "variants: a constant without a gain is let through",
        "alexnet/model/variants.py",
        'if kind == "constant" and "gain" not in norm:',
        "if False:",
        VARIANTS + "senseless",
    ),
    Fault(
        "variants: layers behind one that is left out take its number",
        "alexnet/inference/layers.py",
        "number = next(numbers, number + 1)",
        "number += 1",
        "tests/alexnet/inference/test_layers.py -k names",
    ),
    Fault(
        "variants: a run is continued as another network",
        "alexnet/training/options.py",
        "if variants.get(name) != own.get(name):",
        "if False:",
        OPTIONS + "keeps_its_network",
    ),
    Fault(
        "variants: options of the network are forgotten beside --init-from",
        "alexnet/training/options.py",
        'for name in (*chosen, "bias_init")',
        'for name in ("bias_init",)',
        OPTIONS + "init_from",
    ),
    Fault(
        "variants: all layers have the weight decay of the first number",
        "alexnet/training/build.py",
        '"weight_decay": single[name]})',
        "})",
        BUILD + "decay",
    ),
    Fault(
        "variants: the optimizer's state goes to other weights with another weight decay",
        "alexnet/training/optimizer_state.py",
        "optimizer.load_state_dict(_renamed(state, names))",
        "optimizer.load_state_dict(state)",
        BUILD + "stored_state",
    ),
    Fault(
        "variants: two columns exchange channels, or mix them, with a normalization of columns",
        "alexnet/columns.py",
        "column.columns = 1",
        "pass",
        "tests/alexnet/test_columns.py -k scores or exchanged",
    ),
    Fault(
        "variants: ONNX leaves out the windows that hang over the edge",
        "alexnet/export/onnx_graph.py",
        """window = _window(layer) | {"ceil_mode": int(layer.ceil_mode)}
            window["count""",
        """window = _window(layer) | {"ceil_mode": 0}
            window["count""",
        ONNX,
    ),
    Fault(
        "variants: ONNX takes the mean within channels without the pixels beyond the edge",
        "alexnet/export/onnx_graph.py",
        "**window, count_include_pad=1",
        "**window, count_include_pad=0",
        ONNX,
    ),
    Fault(
        "variants: the lines for PyTorch normalize columns as one",
        "alexnet/export/pytorch.py",
        "input.chunk(self.columns, dim=1)",
        "input.chunk(1, dim=1)",
        PYTORCH,
    ),
    Fault(
        "variants: an index of neighbors serves another network with the same parameters",
        "alexnet/visualize/nearest.py",
        "    if checkpoint.network:\n",
        "    if False:\n",
        "tests/alexnet/visualize/test_nearest.py -k something_else",
    ),
    Fault(
        "variants: the receptive field lacks what the normalization looks at",
        "alexnet/visualize/receptive_fields.py",
        "found.append(Window(module.size, padding=module.size // 2))",
        "pass",
        "tests/alexnet/visualize/test_receptive_fields.py -k nothing_outside",
    ),
    Fault(
        "--norm code2012 --groups 1 normalizes two halves of one column",
        "alexnet/model/paper.py",
        "normalization(constants, columns=groups)",
        "normalization(constants, columns=2)",
        "tests/alexnet/test_variants.py -k all",
    ),
    Fault(
        "--bias-init sets the other biases to zero",
        "alexnet/model/initialization.py",
        "others: float | None = None) -> None:",
        "others: float | None = 0) -> None:",
        "tests/alexnet/test_variants.py -k other_biases",
    ),
    Fault(
        "recipes: the kernels of a trained network decay like noise",
        "alexnet/training/options.py",
        "        architecture = {**architecture, **FINE_TUNING}",
        "        pass",
        "tests/alexnet/training/test_options.py -k noise_of_conv1",
    ),
    Fault(
        "recipes: that of the paper has the alpha of its authors' code",
        "alexnet/training/options.py",
        '            chosen = {"norm": norm, **chosen}',
        "            pass",
        "tests/alexnet/training/test_options.py -k options_of_the_network",
    ),
]
