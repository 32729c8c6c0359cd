// Local response normalization of one channel, for the kernels with and without pooling.
#pragma once

// s^-beta and 1 / s. For the paper's exponent two roots do both, far cheaper than pow().
template <typename Real>
__device__ __forceinline__ Real power_of(Real s, Real beta, Real& inverse) {
    if (beta == Real(0.75)) {
        const Real inverse_root = rsqrt(s);
        inverse = inverse_root * inverse_root;
        return inverse_root * sqrt(inverse_root);
    }
    inverse = Real(1) / s;
    return pow(s, -beta);
}

// k + alpha * sum of the squares of x[-before .. after], cut to the `channels` of the pixel.
template <typename Stored, typename Real>
__device__ __forceinline__ Real
scale_of(const Stored* x, int channel, int channels, int before, int after, Real alpha, Real k) {
    Real sum = 0;
    const int first = -min(before, channel), last = min(after, channels - 1 - channel);
    for (int j = first; j <= last; j++) sum += Real(x[j]) * Real(x[j]);
    return k + alpha * sum;
}

// Sum of ratios[j] over the channels j whose window holds this one: ratios[-after .. before].
template <typename Real>
__device__ __forceinline__ Real
sum_of_ratios(const Real* ratios, int channel, int channels, int before, int after) {
    Real sum = 0;
    const int first = -min(after, channel), last = min(before, channels - 1 - channel);
    for (int j = first; j <= last; j++) sum += ratios[j];
    return sum;
}
