#include "graph/extents.h"

#include <algorithm>

#include "ops/shape.h"

namespace uma {
namespace {

[[noreturn]] void not_told(const Shape& from, const Shape& to, const Shape& now) {
  fail(ErrorCode::kShape, "reshape",
       "was recorded from {} to {}, which does not tell what shape {} becomes: record the function for it",
       from, to, now);
}

int64_t product(Shape::const_iterator from, Shape::const_iterator to) {
  int64_t n = 1;
  for (; from != to; ++from) n *= *from;
  return n;
}

}  // namespace

Shape reshaped(const Shape& from, const Shape& to, const Shape& now) {
  if (now == from) return to;
  if (std::count(from.begin(), from.end(), 0)) not_told(from, to, now);
  Shape out;
  size_t i = 0, j = 0;
  // Group by group of axes that hold the same elements before and after.
  while (i < from.size() || j < to.size()) {
    const size_t i0 = i, j0 = j;
    int64_t p = i < from.size() ? from[i++] : 1, q = j < to.size() ? to[j++] : 1;
    while (p != q) {
      if (p < q)
        p *= from[i++];
      else
        q *= to[j++];
    }
    bool same = true, grown = false;
    for (size_t k = i0; k < i; ++k) {
      same = same && now[k] == from[k];
      grown = grown || (now[k] != from[k] && from[k] == 1 && i - i0 > 1);
    }
    if (same)
      for (size_t k = j0; k < j; ++k) out.push_back(to[k]);
    else if (j - j0 == 1 && !grown)
      out.push_back(product(now.begin() + i0, now.begin() + i));
    else
      not_told(from, to, now);
  }
  return out;
}

Shape spread(const Shape& from, const Shape& to, const Shape& now) {
  Shape out = to;
  const size_t lead = to.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i] == to[lead + i]) out[lead + i] = now[i];
  return out;
}

Spread spread_of(const array& x) {
  std::vector<bool> soft(x.ndim());
  if (!x.node() || x.node()->op != &kBroadcastTo) return {x, soft};
  const array& source = x.node()->inputs[0];
  Shape padded(x.ndim() - source.ndim(), 1);
  for (const int64_t extent : source.shape()) padded.push_back(extent);
  for (size_t i = 0; i < soft.size(); ++i) soft[i] = padded[i] != x.shape()[i];
  return {reshape(source, padded), soft};
}

void check_kept(const array& x, const Rebuilding& recorded, std::string_view op) {
  const Spread s = spread_of(x);
  for (size_t axis = 0; axis < s.soft.size(); ++axis)
    for (const Extents& e : recorded.changed)
      check(!s.soft[axis] || x.shape()[axis] != e.before, ErrorCode::kShape, op,
            "an array was repeated {} times, which may be the extent {} of an argument that has {} now: "
            "record the "
            "function for it",
            x.shape()[axis], e.before, e.now);
}

Common in_common(std::span<const array> inputs, size_t tail) {
  std::vector<Spread> all;
  for (const array& x : inputs) all.push_back(spread_of(x));
  const size_t axes = inputs[0].ndim() - tail;
  Shape common(axes, 1), full(axes, 1);
  for (size_t axis = 0; axis < axes; ++axis) {
    int64_t recorded = 1;
    bool told = false;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (all[i].soft[axis]) {
        recorded = inputs[i].shape()[axis];
      } else {
        told = true;
        if (inputs[i].shape()[axis] != 1) common[axis] = inputs[i].shape()[axis];
      }
    }
    full[axis] = told ? common[axis] : recorded;
  }
  Common out{{}, full, full != common};
  for (const Spread& s : all) {
    Shape shape = common;
    for (size_t k = axes; k < s.source.ndim(); ++k) shape.push_back(s.source.shape()[k]);
    out.inputs.push_back(broadcast_to(s.source, shape));
  }
  return out;
}

}  // namespace uma
