#pragma once
// Orders and running sums along an axis.
#include "core/array.h"
#include "core/op.h"

namespace uma {

/// Ascending, stable, NaN last. throws Index for an axis out of range
array sort(const array& x, int axis = -1);
/// uint32 indices that sort x.
array argsort(const array& x, int axis = -1);
/// The k largest, in ascending order as MLX leaves it unspecified; throws InvalidArgument unless 0 <= k <=
/// extent
array topk(const array& x, int64_t k, int axis = -1);
/// The kth element at its sorted place, smaller ones before, larger after. Here: fully sorted.
array partition(const array& x, int64_t kth, int axis = -1);
array argpartition(const array& x, int64_t kth, int axis = -1);

/// Running sum or product; halves accumulate in f32. inclusive: an element counts itself.
array cumsum(const array& x, int axis, bool reverse = false, bool inclusive = true);
array cumprod(const array& x, int axis, bool reverse = false, bool inclusive = true);

struct SortParams {
  bool indices;  // over the last axis
};
struct ScanParams {
  bool product, reverse, inclusive;  // over the last axis
};
std::vector<array> sort_vjp(const Node&, std::span<const array>, std::span<const array>,
                            std::span<const int>);
std::vector<array> scan_vjp(const Node&, std::span<const array>, std::span<const array>,
                            std::span<const int>);

inline constexpr OpInfo kSort{
    .name = "sort", .args = "x", .doc = "Ascending order along the last axis.", .vjp = sort_vjp};
inline constexpr OpInfo kArgsort{
    .name = "argsort", .args = "x", .doc = "Indices that sort the last axis.", .dtype = DTypeRule::index};
inline constexpr OpInfo kScan{
    .name = "scan", .args = "x", .doc = "Running sum or product along the last axis.", .vjp = scan_vjp};

}  // namespace uma
