"""Cross entropy in plain loops."""

import math


def forward(input, target, *, loss, log_sum_exp):
    N, C = input.shape
    for n in range(N):
        if target[n] < 0:
            log_sum_exp[n] = loss[n] = 0
            continue
        logits = [float(value) for value in input[n]]
        largest = max(logits)
        value = largest + math.log(sum(math.exp(logit - largest) for logit in logits))
        log_sum_exp[n] = value
        loss[n] = value - logits[target[n]]


def backward(grad_loss, input, target, log_sum_exp, *, grad_input):
    N, C = input.shape
    grad_input[...] = 0
    for n in range(N):
        for c in range(C if target[n] >= 0 else 0):
            probability = math.exp(float(input[n, c]) - float(log_sum_exp[n]))
            grad_input[n, c] = float(grad_loss[n]) * (probability - (c == target[n]))
