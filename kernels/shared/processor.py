"""What the processor has that kernels are compiled for: this one, or one that Numba is told."""

import llvmlite.binding as llvm
import numba


def compiled_for(feature: str) -> bool:
    """Whether Numba compiles for a processor with a feature, as LLVM calls it.

    Numba keeps what it has compiled by these features: whatever else code depends on would be
    taken from the cache for a processor that does not have it.
    """
    features = numba.config.CPU_FEATURES  # NUMBA_CPU_FEATURES, or None
    if features is None:
        features = llvm.get_host_cpu_features().flatten()
    has_feature = f"+{feature}" in features.split(",")
    return has_feature and (bool(numba.config.ENABLE_AVX) or not feature.startswith("avx"))
