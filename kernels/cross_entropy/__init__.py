"""Cross entropy between the softmax of a row of logits and a class label.

    forward     log_sum_exp[n] = log sum_c exp(input[n, c])
                loss[n] = log_sum_exp[n] - input[n, target[n]]
    backward    grad_input[n, c] = grad_loss[n] * (softmax[n, c] - [c = target[n]]),
                softmax[n, c] = exp(input[n, c] - log_sum_exp[n])

    input, grad_input               (N, C), logits
    target                          (N,) int64, every label in [0, C), or negative: loss and
                                    gradient of the row are 0
    loss, log_sum_exp, grad_loss    (N,)

The largest logit of the row is subtracted before exp(), so that no finite logit overflows.
``loss`` is per sample: the mean over the batch is the caller's.

Cost: one exp() a logit in each direction; both read ``input`` once from memory.
"""
