// The last step of the weight gradient on tensor cores: the sum of what the blocks of
// cuda_implicit_gemm.cu have left, always in the same order.
#include "../shared/common.cuh"

// grad_weight[oc][ic][kh][kw] = sum over the parts of partial[part][group][oc'][kh][kw][ic], where
// the channels of a group have been padded: `padded` of ic, `padded_outer` of oc', of which `outer`
// exist.
template <typename Real>
__global__ void weight_gradient_total(
    const Real* partial, Real* grad_weight, Index count, int parts, Index part_size, int outer,
    int padded_outer, int inner, int padded, int KH, int KW
) {
    for (Index i = first_index(); i < count; i += index_step()) {
        const int ic = i % inner, kw = i / inner % KW, kh = i / inner / KW % KH;
        const Index oc = i / inner / KW / KH;
        const Index row = oc / outer * padded_outer + oc % outer;
        const Index source = ((row * KH + kh) * KW + kw) * padded + ic;
        Real sum = 0;
        for (int part = 0; part < parts; part++) sum += partial[part * part_size + source];
        grad_weight[((oc * inner + ic) * KH + kh) * KW + kw] = sum;
    }
}
