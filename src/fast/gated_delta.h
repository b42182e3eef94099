#pragma once
// The gated delta rule (Yang, Kautz, Hatamizadeh 2024): linear attention whose state forgets and is
// corrected.
#include <optional>
#include <utility>

#include "core/array.h"

namespace uma {

/// A head's state S (Dv, Dk) over time, from S = 0 or the one given:
///   S = gamma_t S;   S += beta_t (v_t - S k_t) k_t^T;   o_t = S q_t
/// Where the mask is false a step leaves the state as it is and gives 0.
/// shapes  q, k (B, T, Hk, Dk), v (B, T, Hv, Dv), gamma (B, T, Hv) or, a factor a column, (B, T, Hv, Dk),
///         beta (B, T, Hv), state (B, Hv, Dv, Dk), mask (B, T) -> o (B, T, Hv, Dv), state (B, Hv, Dv, Dk);
///         Hk divides Hv: head h of v meets head h Hk / Hv of k
/// dtype   o as q, k and v promote; state float32 (f64 where one of them is f64), in which all is summed
/// throws  Shape; DType for what is no real number, or a mask that is no bool
std::pair<array, array> gated_delta_update(const array& q, const array& k, const array& v, const array& gamma,
                                           const array& beta, const std::optional<array>& state = {},
                                           const std::optional<array>& mask = {});

std::vector<array> gated_delta_fallback(const Node& node, std::span<const array> inputs);
std::pair<std::vector<array>, std::vector<int>> gated_delta_vmap(const Node&, std::span<const array>,
                                                                 std::span<const int>);

inline constexpr OpInfo kGatedDelta{.name = "gated_delta_update",
                                    .args = "q, k, v, gamma, beta, state",
                                    .doc = "The gated delta rule over time: outputs and the last state.",
                                    .dtype = DTypeRule::custom,
                                    .vmap = gated_delta_vmap,
                                    .fallback = gated_delta_fallback};

}  // namespace uma
