// Cross entropy. A warp takes a row of logits, a block ROWS of them (cuda.py defines WARP and
// ROWS). Each lane takes every 32nd logit; shuffles combine the results of the lanes, always in
// the same order. Bytes: forward reads the logits twice, the second time from the cache; backward
// reads and writes them once.
#include "../shared/common.cuh"

constexpr unsigned ALL_LANES = 0xffffffffu;

template <typename Real>
__global__ void cross_entropy_forward(
    const Real* input, const Index* target, Real* loss, Real* log_sum_exp, Index rows, int classes
) {
    const int lane = threadIdx.x;
    for (Index row = (Index)blockIdx.x * ROWS + threadIdx.y; row < rows;
         row += (Index)gridDim.x * ROWS) {
        if (target[row] < 0) {  // for all lanes alike
            if (lane == 0) log_sum_exp[row] = loss[row] = Real(0);
            continue;
        }
        const Real* logits = input + row * classes;
        Real largest = logits[0];
        for (int c = lane; c < classes; c += WARP) {
            largest = logits[c] > largest ? logits[c] : largest;
        }
        for (int distance = WARP / 2; distance > 0; distance /= 2) {
            const Real other = __shfl_xor_sync(ALL_LANES, largest, distance);
            largest = other > largest ? other : largest;
        }
        Real total = 0;
        for (int c = lane; c < classes; c += WARP) total += exp(logits[c] - largest);
        for (int distance = WARP / 2; distance > 0; distance /= 2) {
            total += __shfl_xor_sync(ALL_LANES, total, distance);
        }
        if (lane == 0) {
            // In double, where the difference of large logits keeps the digits of a small loss.
            const double value = double(largest) + log(double(total));
            log_sum_exp[row] = Real(value);
            loss[row] = Real(value - double(logits[target[row]]));
        }
    }
}

template <typename Real>
__global__ void cross_entropy_backward(
    const Real* grad_loss, const Real* input, const Index* target, const Real* log_sum_exp,
    Real* grad_input, Index rows, int classes
) {
    for (Index row = (Index)blockIdx.x * ROWS + threadIdx.y; row < rows;
         row += (Index)gridDim.x * ROWS) {
        for (int c = threadIdx.x; c < classes; c += WARP) {
            const Index i = row * classes + c;
            const Real probability = exp(input[i] - log_sum_exp[row]);
            const Real own = c == target[row] ? Real(1) : Real(0);
            grad_input[i] = target[row] < 0 ? Real(0) : grad_loss[row] * (probability - own);
        }
    }
}
