"""Fully connected layer.

    output[n, o] = bias[o] + sum over i of weight[o, i] * input[n, i]

    input     (N, I)
    weight    (O, I)
    bias      (O,) or None
    output    (N, O)

``backward_input``: grad_input = grad_output @ weight. ``backward_weight``: grad_weight =
grad_output.T @ input. Cost of each of the three: 2 * N * O * I FLOPs; at small N reading
the weights (4 * O * I bytes) is what takes the time.
"""
