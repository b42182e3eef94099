#pragma once
// The table of kernels of a file that is compiled for one instruction set.
#include "backend/cpu/quant/exact-inl.h"

namespace uma::cpu {
namespace {

// In the order of QuantFormat: F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K Q4_K Q5_K Q6_K.
constexpr Kernels kTable = {
    {nullptr, nullptr, nullptr, direct<Q8_0>, direct<Q4_0>, direct<Q4_1>, direct<Q5_0>, direct<Q5_1>,
     direct<Q2_K>, direct<Q3_K>, direct<Q4_K>, direct<Q5_K>, direct<Q6_K>},
    {nullptr, nullptr, nullptr, unpack<Q8_0>, unpack<Q4_0>, unpack<Q4_1>, unpack<Q5_0>, unpack<Q5_1>,
     unpack<Q2_K>, unpack<Q3_K>, unpack<Q4_K>, unpack<Q5_K>, unpack<Q6_K>},
    {nullptr, nullptr, nullptr, tile<Q8_0>, tile<Q4_0>, tile<Q4_1>, tile<Q5_0>, tile<Q5_1>, tile<Q2_K>,
     tile<Q3_K>, tile<Q4_K>, tile<Q5_K>, tile<Q6_K>},
    {exact<F32>, exact<F16>, exact<BF16>, exact<Q8_0>, exact<Q4_0>, exact<Q4_1>, exact<Q5_0>, exact<Q5_1>,
     exact<Q2_K>, exact<Q3_K>, exact<Q4_K>, exact<Q5_K>, exact<Q6_K>},
    quantize};

}  // namespace
}  // namespace uma::cpu
