#pragma once
// Orders and running sums along an axis.
#include "core/array.h"
#include "core/op.h"

namespace uma {

/// Ascending, stable, NaN last. throws Index for an axis out of range
array sort(const array& x, int axis = -1);
/// uint32 indices that sort x.
array argsort(const array& x, int axis = -1);
/// The k largest, in ascending order where MLX leaves it open. throws InvalidArgument unless 0 <= k <= extent
array topk(const array& x, int64_t k, int axis = -1);
/// The kth element at its sorted place, those before not larger, those after not smaller, in any order.
array partition(const array& x, int64_t kth, int axis = -1);
array argpartition(const array& x, int64_t kth, int axis = -1);

/// Running sum or product; halves accumulate in f32. inclusive: an element counts itself. The derivatives of
/// cumprod are right beside zeros and take memory for extent^2 elements a row.
array cumsum(const array& x, int axis, bool reverse = false, bool inclusive = true);
array cumprod(const array& x, int axis, bool reverse = false, bool inclusive = true);

struct SortParams {
  bool indices;  // over the last axis
};
struct ArgpartitionParams {
  int64_t kth;  // of the last axis
};
struct ScanParams {
  bool product, reverse, inclusive;  // over the last axis
};
std::vector<array> sort_vjp(const Node&, std::span<const array>, std::span<const array>,
                            std::span<const int>);
std::vector<array> scan_vjp(const Node&, std::span<const array>, std::span<const array>,
                            std::span<const int>);

std::vector<array> sort_jvp(const Node&, std::span<const array>, std::span<const array>,
                            std::span<const int>);
std::vector<array> scan_jvp(const Node&, std::span<const array>, std::span<const array>,
                            std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> sort_vmap(const Node&, std::span<const array>,
                                                          std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> argpartition_vmap(const Node&, std::span<const array>,
                                                                  std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> scan_vmap(const Node&, std::span<const array>,
                                                          std::span<const int>);

inline constexpr OpInfo kSort{.name = "sort",
                              .args = "x",
                              .doc = "Ascending order along the last axis.",
                              .vjp = sort_vjp,
                              .jvp = sort_jvp,
                              .vmap = sort_vmap};
inline constexpr OpInfo kArgsort{.name = "argsort",
                                 .args = "x",
                                 .doc = "Indices that sort the last axis.",
                                 .dtype = DTypeRule::index,
                                 .vmap = sort_vmap};
inline constexpr OpInfo kArgpartition{.name = "argpartition",
                                      .args = "x",
                                      .doc = "Indices that partition the last axis.",
                                      .dtype = DTypeRule::index,
                                      .vmap = argpartition_vmap};
inline constexpr OpInfo kScan{.name = "scan",
                              .args = "x",
                              .doc = "Running sum or product along the last axis.",
                              .vjp = scan_vjp,
                              .jvp = scan_jvp,
                              .vmap = scan_vmap};

}  // namespace uma
