"""Answer to exercise 10: AlexNet's parameters."""

# Filters, kernel, stride, padding, whether the layer has groups, whether pooling follows.
CONVOLUTIONS = [
    (96, 11, 4, 0, False, True),
    (256, 5, 1, 2, True, True),
    (384, 3, 1, 1, False, False),
    (384, 3, 1, 1, True, False),
    (256, 3, 1, 1, True, True),
]


def parameters(num_classes: int, image_size: int, groups: int) -> int:
    """The number of weights and biases of AlexNet."""
    total, size, channels = 0, image_size, 3
    for filters, kernel, stride, padding, has_groups, has_pooling in CONVOLUTIONS:
        inputs = channels // groups if has_groups else channels
        total += filters * (inputs * kernel**2 + 1)
        size, channels = (size + 2 * padding - kernel) // stride + 1, filters
        if has_pooling:
            size = (size - 3) // 2 + 1
    inputs = channels * size**2
    for outputs in (4096, 4096, num_classes):
        total += outputs * (inputs + 1)
        inputs = outputs
    return total
