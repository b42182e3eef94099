#pragma once
// The only list of the ops of this layer; ids, docs and generated tests fold over it.
#include <array>

#include "fast/activation.h"
#include "fast/attention.h"
#include "fast/gated_delta.h"
#include "fast/kv8.h"
#include "fast/layer_norm.h"
#include "fast/packed.h"
#include "fast/qqmm.h"
#include "fast/quantized.h"
#include "fast/rms_norm.h"
#include "fast/rope.h"

namespace uma {

inline constexpr std::array<const OpInfo*, 15> kFastOps{&kRmsNorm,
                                                        &kLayerNorm,
                                                        &kRope,
                                                        &kScaledDotProductAttention,
                                                        &kSiluMul,
                                                        &kGeluTanhMul,
                                                        &kQuantizedMatmul,
                                                        &kQuantizedEmbedding,
                                                        &kDequantize,
                                                        &kPackedQuantize,
                                                        &kPackedDequantize,
                                                        &kPackedMatmul,
                                                        &kFakeQuantize,
                                                        &kGatedDelta,
                                                        &kQuantizeKv};

}  // namespace uma
