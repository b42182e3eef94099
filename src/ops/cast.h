#pragma once
#include "core/array.h"
#include "core/op.h"

namespace uma {

/// The values in another dtype. Floats to integers round towards zero (NaN and what does not fit: undefined,
/// as in NumPy); anything to bool is "not zero"; complex to real drops the imaginary part.
array astype(const array& x, DType dtype);

std::vector<array> astype_vjp(const Node&, std::span<const array>, std::span<const array>,
                              std::span<const int>);
std::vector<array> astype_jvp(const Node&, std::span<const array>, std::span<const array>,
                              std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> astype_vmap(const Node&, std::span<const array>,
                                                            std::span<const int>);

struct CastParams {
  DType dtype;
};

inline constexpr OpInfo kAstype{.name = "astype",
                                .args = "x",
                                .doc = "The values in another dtype.",
                                .dtype = DTypeRule::custom,
                                .fusion = Fusion::elementwise,
                                .vjp = astype_vjp,
                                .jvp = astype_jvp,
                                .vmap = astype_vmap};

}  // namespace uma
