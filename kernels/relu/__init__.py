"""Rectified linear unit (Nair and Hinton 2010; section 3.1 of the AlexNet paper).

    forward     output = 0 where input <= 0, else input
    backward    grad_input = 0 where output <= 0, else grad_output

All arrays have one shape, any shape, and are C-contiguous. The derivative at 0 is 0. NaN stays NaN
in forward and lets the gradient through in backward. Backward needs the output only, so the input
can be freed; ``output`` may be ``input`` and ``grad_input`` may be ``grad_output``.

Cost: one comparison an element; forward moves 2 arrays, backward 3.
"""


def flops(function, arguments):
    """Of a call, with its arguments by name; a comparison counts as one."""
    return arguments["output"].size
