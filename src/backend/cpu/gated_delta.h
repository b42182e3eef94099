#pragma once
// What gated_delta.cc hands to its copies for each instruction set.
#include <cstdint>

namespace uma::cpu {

/// Rows of the state of one head of one sequence, over time. Steps are in elements, from token to token.
template <class T>
struct DeltaSteps {
  const T *q, *k, *v, *gamma, *beta;  // of the first token; v from the first row on
  T *out, *state;                     // from the first row on
  int64_t tokens, rows, columns;
  int64_t key_step, value_step, gamma_step, beta_step;
  bool vector_gamma;  // one factor a column
};

}  // namespace uma::cpu
