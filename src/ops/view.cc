#include "ops/view.h"

#include <cmath>

#include "core/kernel.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/shape.h"

namespace uma {
namespace {

array zeros_beside(const Node& node, int argnum) {
  return zeros_like(node.inputs[static_cast<size_t>(argnum)]);
}

// Number in row-major order of every element of the result, int64.
array strided_places(const AsStridedParams& p) {
  array at(p.offset);
  for (size_t i = 0; i < p.shape.size(); ++i) {
    Shape column(p.shape.size(), 1);
    column[i] = p.shape[i];
    const array steps = arange(0, static_cast<double>(p.shape[i]), 1, DType::int64);
    at = at + reshape(steps, column) * array(p.strides[i]);
  }
  return broadcast_to(at, p.shape);
}

}  // namespace

array view(const array& x, DType dtype) {
  if (dtype == x.dtype()) return x;
  const int64_t from = size_of(x.dtype()), to = size_of(dtype);
  Shape shape = x.shape();
  if (from != to) {
    check(!shape.empty(), ErrorCode::kShape, "view", "a 0-d {} does not become a {}, which has another size",
          name_of(x.dtype()), name_of(dtype));
    check(shape.back() * from % to == 0, ErrorCode::kShape, "view",
          "the last axis of shape {} holds {} bytes, no multiple of the {} of {}", x.shape(),
          shape.back() * from, to, name_of(dtype));
    shape.back() = shape.back() * from / to;
  }
  return array::make(std::move(shape), dtype, kView, ViewParams{dtype}, {from == to ? x : contiguous(x)});
}

array as_strided(const array& x, const Shape& shape, Strides strides, int64_t offset) {
  if (strides.empty()) strides = row_major_strides(shape);
  check(strides.size() == shape.size(), ErrorCode::kShape, "as_strided", "has {} strides for shape {}",
        strides.size(), shape);
  int64_t low = offset, high = offset;
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t reach = 0;
    check(shape[i] < 2 || (mul_fits(shape[i] - 1, strides[i], &reach) &&
                           add_fits(reach < 0 ? low : high, reach, reach < 0 ? &low : &high)),
          ErrorCode::kShape, "as_strided", "stride {} of axis {} is out of range", strides[i], i);
  }
  check(num_elements(shape) == 0 || (low >= 0 && high < x.size()), ErrorCode::kShape, "as_strided",
        "elements {} to {} do not all lie within the {} of shape {}", low, high, x.size(), x.shape());
  if (num_elements(shape) == 0) offset = 0;
  return array::make(shape, x.dtype(), kAsStrided, AsStridedParams{shape, std::move(strides), offset},
                     {contiguous(x)});
}

std::vector<array> depends(const std::vector<array>& inputs, const std::vector<array>& dependencies) {
  std::vector<array> out;
  for (const array& x : inputs) {
    std::vector<array> all{x};
    all.insert(all.end(), dependencies.begin(), dependencies.end());
    out.push_back(array::make(x.shape(), x.dtype(), kDepends, std::move(all), default_stream()));
  }
  return out;
}

// -- 8-bit floats --

array to_fp8(const array& x) {
  check(is_floating(x.dtype()), ErrorCode::kDType, "to_fp8", "takes real floats, not {}", name_of(x.dtype()));
  const array v = astype(x, DType::float32), raw = view(v, DType::uint32), size = abs(v);
  const auto bits = [](uint32_t b) { return array(b); };
  // Below 2^-6, steps are 2^-9 wide.
  const array small = astype(round(size * 512.0), DType::uint32);
  // Above: 20 bits of mantissa go, half of the last place (less one if even) is added before.
  const array all = bitwise_and(raw, bits(0x7fffffff));
  const array even = bitwise_and(right_shift(all, bits(20)), bits(1));
  const array normal = right_shift(all + bits(0x7ffff) + even, bits(20)) - bits((127 - 7) << 3);
  array code = where(less(size, array(0x1p-6f)), small, normal);
  code = where(greater(size, array(448.0f)), bits(0x7e), code);
  code = where(isnan(v), bits(0x7f), code);
  const array sign = left_shift(right_shift(raw, bits(31)), bits(7));
  return stop_gradient(astype(bitwise_or(code, sign), DType::uint8));
}

array from_fp8(const array& x, DType dtype) {
  check(x.dtype() == DType::uint8, ErrorCode::kDType, "from_fp8", "takes uint8, not {}", name_of(x.dtype()));
  check(is_floating(dtype), ErrorCode::kDType, "from_fp8", "gives real floats, not {}", name_of(dtype));
  std::vector<float> values(256);
  for (int code = 0; code < 256; ++code) {
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    float v = exponent ? std::ldexp(8.0f + static_cast<float>(mantissa), exponent - 10)
                       : std::ldexp(static_cast<float>(mantissa), -9);
    if ((code & 0x7f) == 0x7f) v = std::nanf("");
    values[static_cast<size_t>(code)] = std::copysign(v, code & 0x80 ? -1.0f : 1.0f);
  }
  return take(astype(array(std::span<const float>(values), {256}), dtype), x, 0);
}

// -- slots --

bool view_view(KernelArgs& args) {
  const array& x = args.in(0);
  Strides strides = x.strides();
  const int64_t from = size_of(x.dtype()), to = size_of(args.out().dtype());
  if (from != to) {
    for (int64_t& stride : strides) stride = stride * from / to;
    strides.back() = 1;
  }
  args.view(0, std::move(strides));
  return true;
}
std::vector<array> view_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                            std::span<const int>) {
  return {view(cotangents[0], node.inputs[0].dtype())};
}
std::vector<array> view_jvp(const Node& node, std::span<const array>, std::span<const array> tangents,
                            std::span<const int>) {
  return {view(tangents[0], node.params<ViewParams>().dtype)};
}
std::pair<std::vector<array>, std::vector<int>> view_vmap(const Node& node, std::span<const array> inputs,
                                                          std::span<const int> axes) {
  const array x = moveaxis(inputs[0], axes[0], 0);
  const DType dtype = node.params<ViewParams>().dtype;
  return {{view(x, dtype)}, {0}};
}

bool as_strided_view(KernelArgs& args) {
  const auto& p = args.params<AsStridedParams>();
  args.view(0, p.strides, p.offset * size_of(args.out().dtype()));
  return true;
}
std::vector<array> as_strided_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                                  std::span<const int>) {
  const array& x = node.inputs[0];
  const array grad =
      scatter_add(zeros({x.size()}, x.dtype()), flatten(strided_places(node.params<AsStridedParams>())),
                  flatten(cotangents[0]), 0);
  return {reshape(grad, x.shape())};
}
std::vector<array> as_strided_jvp(const Node& node, std::span<const array>, std::span<const array> tangents,
                                  std::span<const int>) {
  const auto& p = node.params<AsStridedParams>();
  return {as_strided(tangents[0], p.shape, p.strides, p.offset)};
}
std::pair<std::vector<array>, std::vector<int>> as_strided_vmap(const Node& node,
                                                                std::span<const array> inputs,
                                                                std::span<const int> axes) {
  const array x = moveaxis(inputs[0], axes[0], 0);
  AsStridedParams p = node.params<AsStridedParams>();
  const int64_t batch = x.shape(0);
  p.shape.insert(p.shape.begin(), batch);
  p.strides.insert(p.strides.begin(), batch ? x.size() / batch : 0);
  return {{as_strided(x, p.shape, p.strides, p.offset)}, {0}};
}

bool depends_view(KernelArgs& args) {
  args.view(0, args.in(0).strides());
  return true;
}
std::vector<array> depends_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                               std::span<const int> argnums) {
  std::vector<array> out;
  for (const int argnum : argnums) out.push_back(argnum == 0 ? cotangents[0] : zeros_beside(node, argnum));
  return out;
}
std::vector<array> depends_jvp(const Node&, std::span<const array> outputs, std::span<const array> tangents,
                               std::span<const int> argnums) {
  for (size_t i = 0; i < argnums.size(); ++i)
    if (argnums[i] == 0) return {tangents[i]};
  return {zeros_like(outputs[0])};
}
std::pair<std::vector<array>, std::vector<int>> depends_vmap(const Node&, std::span<const array> inputs,
                                                             std::span<const int> axes) {
  return {depends({inputs[0]}, {inputs.begin() + 1, inputs.end()}), {axes[0]}};
}

}  // namespace uma
