// The Hadamard transform (ops/products.h) as products with small matrices: H of m 2^k is the Kronecker
// product of H of m with H of 2 k times.
#include <cmath>

#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/products.h"
#include "ops/shape.h"

namespace uma {
namespace {

// Signs of the rows of Hadamard matrices that no product of smaller ones gives; the highest bit comes first,
// a set bit is -1. They are those that Hadamard transforms of other libraries use.
constexpr uint32_t kRows12[] = {0x400, 0xd55, 0x13c, 0x769, 0x04f, 0x5da,
                                0x313, 0x676, 0x3c4, 0x69d, 0x0f1, 0x5a7};
constexpr uint32_t kRows20[] = {0x7bcc9, 0xbdc74, 0xdee2a, 0xef705, 0xf7992, 0x83ec6, 0x45d63,
                                0x26eb1, 0x17758, 0x0f9ac, 0xca5f0, 0xe52e8, 0x72b64, 0x397a2,
                                0x9cbc1, 0xb65ef, 0x5f2f7, 0xabb7b, 0xd1fbd, 0x6cfde};
constexpr uint32_t kRows28[] = {0x7e796b3, 0xbe3eb59, 0xdf1d5ec, 0xef8eab6, 0xf7c751b, 0xfbe1acd, 0xfcf2d66,
                                0xc2fe62d, 0xe17d356, 0x71bc9ab, 0x39de4d5, 0x1def26a, 0x0ff5935, 0x87f8cda,
                                0xa4cdfe1, 0x5366ff0, 0xa9b37b8, 0x54dbb9c, 0x2a6fd8e, 0x9537e87, 0x4b9bf43,
                                0x9948f3f, 0x4ca47df, 0x27523ef, 0x92ab1f7, 0xc8578fb, 0x652bc7d, 0x3295e7e};

// A factor is at most 2^6: its matrix stays in L1, and k is done in few passes.
constexpr int kFactorBits = 6;

template <class Negative>
array matrix(int64_t n, Negative negative) {
  std::vector<float> values;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) values.push_back(negative(i, j) ? -1.0f : 1.0f);
  return array(std::span<const float>(values), {n, n});
}

array rows_matrix(int64_t m) {
  const uint32_t* rows = m == 12 ? kRows12 : m == 20 ? kRows20 : kRows28;
  return matrix(m, [&](int64_t i, int64_t j) { return rows[i] >> (m - 1 - j) & 1; });
}

array power_matrix(int bits) {
  return matrix(int64_t{1} << bits,
                [](int64_t i, int64_t j) { return __builtin_parityll(static_cast<uint64_t>(i & j)); });
}

// h along the middle axis of (before, n, after).
array applied(const array& h, const array& x, int64_t after) {
  const int64_t n = h.shape(0);
  const array blocks = reshape(x, {x.size() / (n * after), n, after});
  return after == 1 ? matmul(reshape(x, {x.size() / n, n}), transpose(h)) : matmul(h, blocks);
}

}  // namespace

array hadamard_transform(const array& x, std::optional<double> scale) {
  const Shape shape = x.ndim() ? x.shape() : Shape{1};
  check(x.size() > 0, ErrorCode::kInvalidArgument, "hadamard_transform", "has nothing to do in shape {}",
        x.shape());
  check(x.dtype() != DType::complex64, ErrorCode::kDType, "hadamard_transform", "does not take complex64");
  const int64_t n = shape.back();
  int64_t m = n;
  int bits = 0;
  while (m % 2 == 0 && m != 12 && m != 20 && m != 28) m /= 2, ++bits;
  check(m == 1 || m == 12 || m == 20 || m == 28, ErrorCode::kInvalidArgument, "hadamard_transform",
        "takes extents of m 2^k with m of 1, 12, 20 or 28, not {}", n);
  const DType result = is_inexact(x.dtype()) ? x.dtype() : DType::float32;
  const DType wide = result == DType::float64 ? DType::float64 : DType::float32;
  array out = astype(x, wide);
  if (m > 1) out = applied(astype(rows_matrix(m), wide), out, n / m);
  for (int done = 0; done < bits;) {
    const int step = std::min(kFactorBits, bits - done);
    out = applied(astype(power_matrix(step), wide), out, int64_t{1} << done);
    done += step;
  }
  out = reshape(out, x.shape()) * scale.value_or(1 / std::sqrt(static_cast<double>(n)));
  return astype(out, result);
}

}  // namespace uma
