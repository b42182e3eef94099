#pragma once
#include "core/array.h"

namespace uma {

/// logsumexp(logits) - logits[target] over the last axis: the loss of class indices.
/// shapes  logits (..., C), targets (...) -> (...)
/// dtype   float32, of float64 logits float64; targets are integers
/// error   halves are widened first: <= 4 ULP of f32 where the loss is not cancelled away
/// throws  DType, Shape (also for C = 0); InvalidArgument on evaluation for a target outside [-C, C)
array cross_entropy(const array& logits, const array& targets);

}  // namespace uma
