"""The fully connected layer on the CPU: three forms of one packed matrix product."""

from minigrad.kernels.bias import cpu as bias_kernels
from minigrad.kernels.linear import check_linear
from minigrad.kernels.shared import matmul
from minigrad.kernels.shared.prepared import is_kept, prepared


def forward(input, weight, bias, *, output, bfloat16=False):
    arrays = {"input": input, "weight": weight, "output": output, "bias": bias}
    check_linear("linear.forward", arrays, bfloat16)
    rows = weight
    if bfloat16 and is_kept():
        rows = prepared(weight, "pairs of bfloat16", lambda: matmul.bfloat16_rows(weight))
    matmul.matmul(input, rows.T, output=output, bfloat16=bfloat16)
    if bias is not None:
        bias_kernels.forward(output, bias, output=output)


def backward_input(grad_output, weight, *, grad_input, bfloat16=False):
    arrays = {"grad_input": grad_input, "weight": weight, "grad_output": grad_output}
    check_linear("linear.backward_input", arrays, bfloat16)
    matmul.matmul(grad_output, weight, output=grad_input, bfloat16=bfloat16)


def backward_weight(grad_output, input, *, grad_weight, bfloat16=False):
    arrays = {"input": input, "grad_weight": grad_weight, "grad_output": grad_output}
    check_linear("linear.backward_weight", arrays, bfloat16)
    matmul.matmul(grad_output.T, input, output=grad_weight, bfloat16=bfloat16)
