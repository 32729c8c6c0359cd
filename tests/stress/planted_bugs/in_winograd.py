"""Mistakes in Winograd's convolution on the CPU."""

from tests.stress.planted_bugs import Fault

ALGORITHMS = "kernels/conv2d/winograd_algorithms.py"
TRANSFORMS = "kernels/conv2d/cpu_winograd_transforms.py"
TILES = "kernels/conv2d/cpu_winograd_tiles.py"
WINOGRAD = "kernels/conv2d/cpu_winograd.py"
WEIGHT = "kernels/conv2d/cpu_winograd_weight.py"
CONV = "tests/kernels/test_conv2d.py -k "
PRODUCTS = "tests/kernels/test_bfloat16_products.py -k "
FIRST = CONV + "path_equals_reference and float32 and winograd and 34"
STRIDED = CONV + "path_equals_reference and float32 and winograd and 19"
GROUPED = CONV + "path_equals_reference and float32 and winograd and 66"
PAIRS = PRODUCTS + "winograd_in and 34"
MEMORY = PRODUCTS + "was_in_memory and True and 33"
THREADS = PRODUCTS + "winograd_is_the_same"

FAULTS = [
    # Points and matrices.
    Fault(
        "winograd: filters are not scaled as the pixels are",
        ALGORITHMS,
        "[[x * s for x in row] for row, s in zip(second, scales)]",
        "second",
        CONV + "polynomials",
    ),
    Fault(
        "winograd: infinity is the coefficient of x^0",
        ALGORITHMS,
        "[Fraction(0)] * (count - 1) + [Fraction(1)]",
        "[Fraction(1)] + [Fraction(0)] * (count - 1)",
        CONV + "polynomials",
    ),
    Fault(
        "winograd: x^2 is c modulo x^2 + c",
        ALGORITHMS,
        "remainders.append((-c * v, u - b * v))",
        "remainders.append((c * v, u - b * v))",
        CONV + "polynomials",
    ),
    Fault(
        "winograd: remainders are multiplied with two products",
        ALGORITHMS,
        "rows += [list(u), list(v), [sum(pair) for pair in remainders]]",
        "rows += [list(u), list(v), list(v)]",
        CONV + "polynomials",
    ),
    Fault(
        "winograd: the weight gradient has the algorithm of the output",
        ALGORITHMS,
        "return Algorithm(self.taps, self.outputs, self.points)",
        "return self",
        CONV + "polynomials",
    ),
    Fault(
        "winograd: in bfloat16 a tile has six outputs",
        ALGORITHMS,
        "MOST_BFLOAT16_OUTPUTS = 5",
        "MOST_BFLOAT16_OUTPUTS = 6",
        CONV + "polynomials",
    ),
    # Which algorithm.
    Fault(
        "winograd: windows that are not square are taken",
        TILES,
        "return taps == across and 2 <= taps",
        "return 2 <= taps",
        CONV + "which_path",
    ),
    Fault(
        "winograd: the cost has no filters",
        TILES,
        "(tiles / 2 if bfloat16 else tiles) + FILTER_COST)",
        "(tiles / 2 if bfloat16 else tiles))",
        CONV + "which_algorithm",
    ),
    Fault(
        "winograd: the cost of products in bfloat16 is that of float32",
        TILES,
        "(tiles / 2 if bfloat16 else tiles)",
        "tiles",
        CONV + "which_algorithm",
    ),
    Fault(
        "winograd: the cost has no transform of pixels",
        TILES,
        "        + tiles * (P + S) * evaluation * inputs * groups\n",
        "",
        CONV + "which_algorithm",
    ),
    Fault(
        "winograd: the cost has no transform of products",
        TILES,
        "        + tiles * (P + M) * interpolation * outputs\n",
        "",
        CONV + "which_algorithm",
    ),
    # Transforms.
    Fault(
        "winograd: a factor of -1 is taken for 1",
        TRANSFORMS,
        "total = self.builder.fsub(total, vector)",
        "total = self.builder.fadd(total, vector)",
        FIRST,
    ),
    Fault(
        "winograd: no bias",
        TRANSFORMS,
        "value = code.builder.fadd(value, bias_vector)",
        "value = code.builder.fadd(value, code.splat(0.0))",
        FIRST,
    ),
    Fault(
        "winograd: a ReLU that nobody asked for",
        TRANSFORMS,
        'code.builder.icmp_signed("!=", relu',
        'code.builder.icmp_signed("==", relu',
        FIRST,
    ),
    Fault(
        "winograd: a ReLU makes zero of NaN",
        TRANSFORMS,
        'code.builder.fcmp_ordered("<", value, least)',
        'code.builder.fcmp_unordered("<", value, least)',
        CONV + "relu_of_winograd",
    ),
    Fault(
        "winograd: all vectors of a panel go to the first",
        TRANSFORMS,
        "lane = code.multiply(code.builder.urem(number, vectors), VECTOR_BYTES)",
        "lane = code.constant(0)",
        FIRST,
    ),
    Fault(
        "winograd: code in bfloat16 is kept under the name of that in float32",
        TRANSFORMS,
        'algorithm.products, "bfloat16" if bfloat16 else dtype',
        "algorithm.products, dtype",
        CONV + "name_of_its_own",
    ),
    Fault(
        "winograd: pairs of filters: halves change places",
        TRANSFORMS,
        "code.store_pairs(first_values[i, j], value, target)",
        "code.store_pairs(value, first_values[i, j], target)",
        PAIRS,
    ),
    Fault(
        "winograd: pairs of tiles: the second is the first again",
        TRANSFORMS,
        "for start in ((line, next_line) if bfloat16 else (line,))",
        "for start in ((line, line) if bfloat16 else (line,))",
        PAIRS,
    ),
    # Tiles.
    Fault(
        "winograd: pixels before the left edge are those of the row above",
        TILES,
        "if 0 <= h < H and 0 <= w and w + SW <= W and whole_runs:",
        "if 0 <= h < H and w + SW <= W and whole_runs:",
        FIRST,
    ),
    Fault(
        "winograd: pixels of SW pixels across the right edge read the next row",
        TILES,
        "if 0 <= h < H and 0 <= w and w + SW <= W and whole_runs:",
        "if 0 <= h < H and 0 <= w < W and whole_runs:",
        CONV + "path_equals_reference and float32 and winograd and 20",
    ),
    Fault(
        "winograd: a stride with groups copies the channels of the next group",
        TILES,
        "whole_runs = SW == 1 or channels == C",
        "whole_runs = True",
        CONV + "winograd and 12 and float32",
    ),
    Fault(
        "winograd: numbers behind the last channel are not cleared",
        TILES,
        "            clear(pixel, unused)\n",
        "",
        MEMORY,
    ),
    Fault(
        "winograd: filters of the input gradient are turned by 90 degrees less",
        TILES,
        "[..., ::-1, ::-1].swapaxes(1, 2)",
        "[..., ::-1, :].swapaxes(1, 2)",
        FIRST,
    ),
    Fault(
        "winograd: the phases of filters are those of columns, then rows",
        TILES,
        ".transpose(0, 3, 5, 1, 2, 4)",
        ".transpose(0, 5, 3, 1, 2, 4)",
        STRIDED,
    ),
    Fault(
        "winograd: the filters of every block go to the place of the first",
        TILES,
        "target = (panel * points * depth + first) * lanes",
        "target = panel * points * depth * lanes",
        FIRST,
    ),
    Fault(
        "winograd: the last column of a tile at the edge is lost",
        TILES,
        "for j in range(min(M, OW - left)):",
        "for j in range(min(M, OW - left) - 1):",
        FIRST,
    ),
    # The convolution.
    Fault(
        "winograd: tiles overlap by a pixel too much",
        WINOGRAD,
        "column * M * SW - PW",
        "column * (M - 1) * SW - PW",
        FIRST,
    ),
    Fault(
        "winograd: every group reads the channels of the first",
        WINOGRAD,
        "S, stride, g * channels,",
        "S, stride, 0,",
        GROUPED,
    ),
    Fault(
        "winograd: every group has the bias of the first",
        WINOGRAD,
        "address(padded_bias, (g * panels + panel) * lanes)",
        "address(padded_bias, panel * lanes)",
        GROUPED,
    ),
    Fault(
        "winograd: the padding of the input gradient has rows for columns",
        WINOGRAD,
        "padding = R - 1 - padding[0], R - 1 - padding[1]",
        "padding = R - 1 - padding[1], R - 1 - padding[0]",
        GROUPED,
    ),
    Fault(
        "winograd: the last of an odd number of channels has no pair",
        WINOGRAD,
        "algorithm.products**2, -(-inputs // pair), lanes",
        "algorithm.products**2, max(inputs // pair, 1), lanes",
        PRODUCTS + "winograd_in and 33",
    ),
    Fault(
        "winograd: threads share the memory for values",
        WINOGRAD,
        "values = value_work[get_thread_id()]",
        "values = value_work[0]",
        THREADS,
    ),
    # The weight gradient.
    Fault(
        "winograd weight gradient: chunks after the first left out",
        WEIGHT,
        "for first in range(0, count, chunk):",
        "for first in range(0, min(count, chunk), chunk):",
        CONV + "tiles_in_one",
    ),
    Fault(
        "winograd weight gradient: chunks after the first start anew",
        WEIGHT,
        "accumulate or first > 0, wide,",
        "accumulate, wide,",
        CONV + "tiles_in_one",
    ),
    Fault(
        "winograd weight gradient: pieces after the first start anew",
        WEIGHT,
        "task_panels, wide, first > 0,",
        "task_panels, wide, False,",
        CONV + "tiles_in_one",
    ),
    Fault(
        "winograd weight gradient: the last of an odd number of tiles has a pair",
        WEIGHT,
        "if count % pair:",
        "if False:",
        PRODUCTS + "was_in_memory and True and 20",
    ),
    Fault(
        "winograd weight gradient: every task has the first output channels",
        WEIGHT,
        "skipped = gradient_line // panels * first_panel",
        "skipped = 0",
        CONV + "many_threads",
    ),
    Fault(
        "winograd weight gradient: panels are divided into too few tasks",
        WEIGHT,
        "if tasks >= BALANCE * threads * -(-tasks // threads):",
        "if tasks >= BALANCE * threads:",
        CONV + "all_threads_busy",
    ),
    Fault(
        "winograd weight gradient: phases are those of columns, then rows",
        WEIGHT,
        "i * SH + phase // SW, j * SW + phase % SW",
        "i * SH + phase % SH, j * SW + phase // SH",
        STRIDED,
    ),
    Fault(
        "winograd weight gradient: every group adds to the sums of the first",
        WEIGHT,
        "start = (g * P * P * panels + panel) * width + phase * IC + ic",
        "start = panel * width + phase * IC + ic",
        GROUPED,
    ),
    Fault(
        "winograd weight gradient: threads share the memory for values",
        WEIGHT,
        "values = work[get_thread_id()]",
        "values = work[0]",
        THREADS,
    ),
    Fault(
        "winograd: filters are transformed in memory that is freed meanwhile",
        TILES,
        "taps = work[get_thread_id(), : R * R * pair * size].reshape(R * R, pair * size)",
        "taps = np.empty((R * R, pair * size), weight.dtype)",
        CONV + "memory_that_is_there",
    ),
    Fault(
        "winograd: its ReLU is lost",
        "kernels/conv2d/cpu.py",
        "output=output, relu=relu, bfloat16=bfloat16",
        "output=output, bfloat16=bfloat16",
        PRODUCTS + "relu_of_a_convolution",
    ),
    Fault(
        "winograd: bfloat16 never takes it",
        "kernels/conv2d/cpu_choice.py",
        "return WINOGRAD\n",
        "return DIRECT if bfloat16 else WINOGRAD\n",
        CONV + "which_path_is_taken",
    ),
]
