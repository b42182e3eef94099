#include "ops/matmul.h"

#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/shape.h"

namespace uma {
namespace {

array transposed(const array& x) {
  return swapaxes(x, -1, -2);
}

}  // namespace

array matmul(const array& x, const array& y) {
  check(x.ndim() > 0 && y.ndim() > 0, ErrorCode::kShape, "matmul", "takes no 0-d arrays");
  const DType d = promote(x.dtype(), y.dtype());
  check(is_inexact(d), ErrorCode::kDType, "matmul", "takes floats, not {} and {}", name_of(x.dtype()),
        name_of(y.dtype()));
  if (d == DType::complex64) {  // four real products
    const array a = astype(x, d), b = astype(y, d);
    const array xr = real(a), xi = imag(a), yr = real(b), yi = imag(b);
    return make_complex(matmul(xr, yr) - matmul(xi, yi), matmul(xr, yi) + matmul(xi, yr));
  }
  const bool row = x.ndim() == 1, column = y.ndim() == 1;
  const array a = astype(row ? expand_dims(x, {0}) : x, d), b = astype(column ? expand_dims(y, {1}) : y, d);
  check(a.shape(-1) == b.shape(-2), ErrorCode::kShape, "matmul",
        "shapes {} and {} do not chain: {} columns, {} rows", x.shape(), y.shape(), a.shape(-1), b.shape(-2));
  Shape batch = broadcast_shapes(Shape(a.shape().begin(), a.shape().end() - 2),
                                 Shape(b.shape().begin(), b.shape().end() - 2), "matmul");
  Shape a_shape = batch, b_shape = batch, out = batch;
  a_shape.push_back(a.shape(-2));
  a_shape.push_back(a.shape(-1));
  b_shape.push_back(b.shape(-2));
  b_shape.push_back(b.shape(-1));
  out.push_back(a.shape(-2));
  out.push_back(b.shape(-1));
  const array product = array::make(std::move(out), d, kMatmul,
                                    {broadcast_to(a, a_shape), broadcast_to(b, b_shape)}, default_stream());
  if (row && column) return squeeze(product, {-2, -1});
  if (row) return squeeze(product, {-2});
  if (column) return squeeze(product, {-1});
  return product;
}

std::vector<array> matmul_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                              std::span<const int> argnums) {
  std::vector<array> out;
  for (const int argnum : argnums)
    out.push_back(argnum == 0 ? matmul(cotangents[0], transposed(node.inputs[1]))
                              : matmul(transposed(node.inputs[0]), cotangents[0]));
  return out;
}

std::vector<array> matmul_jvp(const Node& node, std::span<const array>, std::span<const array> tangents,
                              std::span<const int> argnums) {
  std::vector<array> terms;
  for (size_t i = 0; i < argnums.size(); ++i)
    terms.push_back(argnums[i] == 0 ? matmul(tangents[i], node.inputs[1])
                                    : matmul(node.inputs[0], tangents[i]));
  return {terms.size() == 2 ? terms[0] + terms[1] : terms[0]};
}

std::pair<std::vector<array>, std::vector<int>> matmul_vmap(const Node&, std::span<const array> inputs,
                                                            std::span<const int> axes) {
  // Both have equal ranks, so a batch axis in front is one more batch axis; who has none broadcasts.
  const auto front = [&](size_t i) { return axes[i] >= 0 ? moveaxis(inputs[i], axes[i], 0) : inputs[i]; };
  return {{matmul(front(0), front(1))}, {0}};
}

}  // namespace uma
