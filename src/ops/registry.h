#pragma once
// The only list of ops. Tests, docs and bindings fold over it.
#include <array>

#include "ops/cast.h"
#include "ops/conv.h"
#include "ops/count.h"
#include "ops/creation.h"
#include "ops/cumulative.h"
#include "ops/elementwise.h"
#include "ops/fft.h"
#include "ops/indexing.h"
#include "ops/linalg.h"
#include "ops/matmul.h"
#include "ops/random.h"
#include "ops/reduce.h"
#include "ops/scatter.h"
#include "ops/search.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "ops/sort.h"
#include "ops/view.h"

namespace uma {

inline constexpr const OpInfo* kStructuralOps[] = {
    &kAstype,
    &kArange,
    &kReshape,
    &kTranspose,
    &kBroadcastTo,
    &kContiguous,
    &kStopGradient,
    &kSelect,
    &kSlice,
    &kSliceUpdate,
    &kTake,
    &kTakeAlongAxis,
    &kScatterAdd,
    &kScatterAddAlongAxis,
    &kConcatenate,
    &kReduce,
    &kArgReduce,
    &kSoftmax,
    &kMatmul,
    &kConv,
    &kSort,
    &kArgsort,
    &kArgpartition,
    &kScan,
    &kGather,
    &kScatter,
    &kAsStrided,
    &kCumulative,
    &kDepends,
    &kView,
    &kRandomBits,
    &kRandomNormal,
    &kRandomUniform,
    &kFft,
    &kMakeComplex,
    &kSearchsorted,
    &linalg::kCholesky,
    &linalg::kSolve,
    &linalg::kSolveTriangular,
    &linalg::kLu,
    &linalg::kDet,
    &linalg::kSlogdet,
    &linalg::kCofactor,
    &linalg::kQr,
    &linalg::kSvd,
    &linalg::kPinv,
    &linalg::kEigh,
    &linalg::kEig,
    &kNumberOfElements,
};

/// Every op: the elementwise tables and the ones above.
inline constexpr auto kOps = std::apply(
    [](auto... unary) {
      return std::apply(
          [&](auto... binary) {
            constexpr size_t kRest = std::size(kStructuralOps);
            std::array<const OpInfo*, sizeof...(unary) + sizeof...(binary) + kRest> all{unary.op...,
                                                                                        binary.op...};
            for (size_t i = 0; i < kRest; ++i)
              all[sizeof...(unary) + sizeof...(binary) + i] = kStructuralOps[i];
            return all;
          },
          kBinaryOps);
    },
    kUnaryOps);

}  // namespace uma
