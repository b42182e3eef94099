#pragma once
#include "core/op.h"

namespace uma {

/// Floating-point operations of an op, where they say something: products of matrices (convolutions are
/// those) and attention; a multiplication and an addition are two. 0 for others. Causal attention counts what
/// it computes, about half.
double flops_of(const Node& node);

}  // namespace uma
