// The windows of a convolution: where the numbers of a column lie in an image (N, H, W, C).
#pragma once
#include "../shared/ptx.cuh"

// A convolution as the kernels see it: `source` (N, H, W, channels) is read through windows of KH x
// KW, one for each pixel of `target` (N, OH, OW, ...).
struct Windows {
    int H, W, channels, OH, OW, KH, KW, SH, SW, PH, PW;
};

// A pixel of `target`.
struct Position {
    int n, oh, ow;

    __device__ __forceinline__ void next(int OH, int OW) {
        const bool ends_row = ++ow == OW;
        ow = ends_row ? 0 : ow;
        oh += ends_row;
        const bool ends_image = oh == OH;
        oh = ends_image ? 0 : oh;
        n += ends_image;
    }

    // Go `count` pixels on.
    __device__ __forceinline__ void advance(int count, int OH, int OW) {
        ow += count;
        while (ow >= OW) {
            ow -= OW;
            if (++oh == OH) {
                oh = 0;
                n++;
            }
        }
    }
};

// Where the taps of a pixel's window begin: its first row and column in the image, which may lie in
// the padding, and the offset of that place in memory.
struct Corner {
    int top, left, offset;
};

__device__ __forceinline__ Corner
corner_of(const Position& pixel, bool exists, int first_channel, const Windows& windows) {
    Corner corner;
    // A pixel that does not exist lies outside of every image.
    corner.top = exists ? pixel.oh * windows.SH - windows.PH : -(1 << 30);
    corner.left = pixel.ow * windows.SW - windows.PW;
    const int top = exists ? corner.top : 0;
    corner.offset =
        ((pixel.n * windows.H + top) * windows.W + corner.left) * windows.channels + first_channel;
    return corner;
}

// A position in the sum over k: the tap and the channel in it.
struct Tap {
    int kh, kw, channel;

    // Go `count` terms on, with `inner` channels a tap.
    __device__ __forceinline__ void advance(int count, int inner, int KW) {
        channel += count;
        while (channel >= inner) {
            channel -= inner;
            if (++kw == KW) {
                kw = 0;
                kh++;
            }
        }
    }
};

// Copy BYTES of a tap of a window; zeros outside of the image. `shift` is the distance from the
// corner to the tap in memory. Where nothing is read the address does not matter.
template <int BYTES, typename Real>
__device__ __forceinline__ void copy_tap(
    char* shared, const Real* images, const Corner& corner, const Tap& tap, int shift, bool valid,
    const Windows& windows
) {
    const int h = corner.top + tap.kh, w = corner.left + tap.kw;
    valid = valid && h >= 0 && h < windows.H && w >= 0 && w < windows.W;
    copy_async<BYTES>(shared, images + (corner.offset + shift), valid);
}

__device__ __forceinline__ int shift_of(const Tap& tap, const Windows& windows) {
    return (tap.kh * windows.W + tap.kw) * windows.channels + tap.channel;
}
