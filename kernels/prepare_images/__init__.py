"""From a batch of decoded images to the input of the network.

    output[n, h, w, c] = (images[n, top + h, left + w', c] + color_shift[n, c]
                          - mean[c, h, w]) * scale

with (top, left) = offsets[n], and w' = OW - 1 - w where flips[n], else w. The crop is mirrored,
the mean is not.

    images         uint8 (N, H, W, 3), red, green, blue
    offsets        int32 (N, 2): top and left of the crop; it lies inside the image
    flips          bool (N,)
    color_shift    float32 (N, 3), in gray levels
    mean           float32 (3,), or (3, OH, OW) for a mean image, in gray levels
    scale          a number
    output         float32 (N, OH, OW, 3), C-contiguous; its size is that of the crop

Three FLOPs and 5 bytes an element (1 read, 4 written), plus the mean image, which stays in cache:
memory-bound.
"""
