"""A kernel for each tool of compute-sanitizer that is wrong in just the way the tool looks for.

    python -m benchmarks.gpu_check.planted_defects memcheck

A tool that says nothing of it has looked at nothing, and its silence about the tests means nothing.
"""

import sys

import numpy as np

from minigrad import backend

THREADS = 64  # two warps
SOURCE = """
__global__ void memcheck(const float* input, float* output) {
    output[threadIdx.x] = input[threadIdx.x + 1];  // one beyond the last
}

__global__ void racecheck(const float* input, float* output) {
    __shared__ float shared[64];
    shared[threadIdx.x] = input[threadIdx.x];
    output[threadIdx.x] = shared[63 - threadIdx.x];  // of the other warp, which is not waited for
}

__global__ void initcheck(const float* input, float* output) {
    output[threadIdx.x] = input[threadIdx.x] + 1;  // nobody has written the input
}

__global__ void synccheck(const float* input, float* output) {
    if (threadIdx.x < 16) __syncthreads();  // half of a warp
    output[threadIdx.x] = input[threadIdx.x];
}
"""


def main(tool: str) -> None:
    """Launch the kernel of a tool."""
    xp = backend.get("cuda").xp
    xp.cuda.set_allocator(None)
    module = xp.RawModule(code=SOURCE, options=("-std=c++17",), name_expressions=[tool])
    input, output = (xp.empty(THREADS, np.float32) for _ in range(2))
    if tool != "initcheck":
        input.fill(1)
    module.get_function(tool)((1,), (THREADS,), (input, output))
    xp.cuda.Device().synchronize()


if __name__ == "__main__":
    main(sys.argv[1])
