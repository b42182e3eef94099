#include "ops/linalg.h"

#include "ops/linalg_rules.h"
#include "ops/manipulate.h"
#include "ops/reduce.h"
#include "ops/sort.h"

namespace uma::linalg {
namespace {

array triangular(const array& a, const array& b, bool upper, std::string_view caller) {
  return array::make(b.shape(), b.dtype(), kSolveTriangular, TriangularParams{caller, upper}, {a, b});
}

array general(const array& a, const array& b, std::string_view caller, bool nan_if_singular = false) {
  return array::make(b.shape(), b.dtype(), kSolve, SolveParams{caller, nan_if_singular}, {a, b});
}

array identity_beside(const array& a) {
  return broadcast_to(eye_like(a), a.shape());
}

// The inverse, or NaN: for rules of functions that are defined for singular matrices.
array inverse_or_nan(const array& a) {
  return general(a, identity_beside(a), "inv", true);
}

// Both operands of a system as matrices of one dtype and batch; f makes the solution of them.
template <class F>
array solved(const array& a, const array& b, std::string_view op, F f) {
  check(a.ndim() >= 2, ErrorCode::kShape, op, "needs a matrix on the left, not shape {}", a.shape());
  check(b.ndim() >= 1, ErrorCode::kShape, op, "has no right side of shape {}", b.shape());
  check_matrix(a, op, true);
  const DType d = promote(a.dtype(), b.dtype());
  check(d == DType::float32 || d == DType::float64, ErrorCode::kDType, op,
        "takes float32 or float64, not {} and {}", name_of(a.dtype()), name_of(b.dtype()));
  const bool vector = b.ndim() == 1;
  const array right = astype(vector ? expand_dims(b, {1}) : b, d);
  const int64_t n = a.shape(-1), k = right.shape(-1);
  check(right.shape(-2) == n, ErrorCode::kShape, op, "a has shape {}, and b of shape {} has not {} rows",
        a.shape(), b.shape(), n);
  check(k < int64_t{1} << 31, ErrorCode::kLimit, op, "{} right sides are beyond what LAPACK counts", k);
  Shape batch = broadcast_shapes(batched(a, {}), batched(right, {}), op);
  Shape left_shape = batch, right_shape = batch;
  left_shape.push_back(n), left_shape.push_back(n);
  right_shape.push_back(n), right_shape.push_back(k);
  const array x = f(broadcast_to(astype(a, d), left_shape), broadcast_to(right, right_shape));
  return vector ? squeeze(x, {-1}) : x;
}

// P L U in one matrix, pivots, rows: see kLu.
Arrays packed_lu(const array& a, std::string_view op) {
  check_matrix(a, op, false);
  const int64_t m = a.shape(-2), k = std::min(m, a.shape(-1));
  return make_factors(
      kLu, 0, a,
      {{a.shape(), a.dtype()}, {batched(a, {k}), DType::uint32}, {batched(a, {m}), DType::uint32}});
}

// x, and for rows of a also where they come from: x[order].
array reordered(const array& x, const array& order) {
  return take_along_axis(x, broadcast_to(expand_dims(order, {-1}), x.shape()), -2);
}

// -1 where an odd number of rows was swapped, else 1.
array parity(const array& pivots, DType dtype) {
  const array moved = not_equal(pivots, arange(0, static_cast<double>(pivots.shape(-1)), 1, DType::uint32));
  const array odd = bitwise_and(sum(astype(moved, DType::int32), {-1}), array(1));
  return 1.0 - astype(odd, dtype) * 2;
}

// f32 or f64 for a determinant, checked.
array checked_square(const array& a, std::string_view op) {
  check(a.dtype() != DType::complex64, ErrorCode::kDType, op, "does not take complex64");
  array x = a.dtype() == DType::float64 ? a : astype(a, DType::float32);
  check_matrix(x, op, true);
  return x;
}

DType result_dtype(const array& a) {
  return is_floating(a.dtype()) ? a.dtype() : DType::float32;
}

}  // namespace

array cholesky(const array& a, bool upper) {
  check_matrix(a, "cholesky", true);
  if (upper) return transposed(cholesky(transposed(a)));
  return array::make(a.shape(), a.dtype(), kCholesky, {a});
}

array cholesky_inv(const array& factor, bool upper) {
  check_matrix(factor, "cholesky_inv", true);
  const array inverse = triangular(factor, identity_beside(factor), upper, "cholesky_inv");
  return upper ? matmul(inverse, transposed(inverse)) : matmul(transposed(inverse), inverse);
}

array inv(const array& a) {
  check_matrix(a, "inv", true);
  return general(a, identity_beside(a), "inv");
}

array tri_inv(const array& a, bool upper) {
  check_matrix(a, "tri_inv", true);
  return triangular(a, identity_beside(a), upper, "tri_inv");
}

array solve(const array& a, const array& b) {
  return solved(a, b, "solve", [](const array& x, const array& y) { return general(x, y, "solve"); });
}

array solve_triangular(const array& a, const array& b, bool upper) {
  return solved(a, b, "solve_triangular",
                [&](const array& x, const array& y) { return triangular(x, y, upper, "solve_triangular"); });
}

namespace {

// l with ones on its diagonal, and u, of both in one matrix.
std::pair<array, array> unpacked(const array& packed) {
  const int64_t m = packed.shape(-2), n = packed.shape(-1), k = std::min(m, n);
  return {tril(columns(packed, 0, k), -1) + eye(m, k, 0, packed.dtype()), triu(rows(packed, 0, k))};
}

}  // namespace

Lu lu(const array& a) {
  const Arrays out = packed_lu(a, "lu");
  const auto [l, u] = unpacked(out[0]);
  return {out[2], l, u};
}

std::pair<array, array> lu_factor(const array& a) {
  const Arrays out = packed_lu(a, "lu_factor");
  return {out[0], out[1]};
}

array det(const array& a) {
  const array x = checked_square(a, "det");
  return astype(array::make(batched(x, {}), x.dtype(), kDet, {x}), result_dtype(a));
}

std::pair<array, array> slogdet(const array& a) {
  const array x = checked_square(a, "slogdet");
  const Shape shape = batched(x, {});
  const Arrays out = make_factors(kSlogdet, 0, x, {{shape, x.dtype()}, {shape, x.dtype()}});
  return {astype(out[0], result_dtype(a)), astype(out[1], result_dtype(a))};
}

array cofactor(const array& a) {
  check_matrix(a, "cofactor", true);
  return array::make(a.shape(), a.dtype(), kCofactor, {a});
}

Arrays det_fallback(const Node&, In inputs) {
  const auto [packed, pivots] = lu_factor(inputs[0]);
  return {prod(diagonal(packed, 0, -2, -1), {-1}) * parity(pivots, packed.dtype())};
}

Arrays slogdet_fallback(const Node&, In inputs) {
  const auto [packed, pivots] = lu_factor(inputs[0]);
  const array d = diagonal(packed, 0, -2, -1);
  return {prod(sign(d), {-1}) * parity(pivots, packed.dtype()), sum(log(abs(d)), {-1})};
}

// By singular values: the products of all but one need no division.
Arrays cofactor_fallback(const Node&, In inputs) {
  const auto [u, s, vt] = svd(inputs[0], false);
  const array others = cumprod(s, -1, false, false) * cumprod(s, -1, true, false);
  const array turn = det(u) * det(vt);
  return {matmul(scaled(u, others * expand_dims(turn, {-1})), vt)};
}

namespace {

array over_matrix(const array& x) {
  return expand_dims(x, {-1, -2});
}

}  // namespace

Arrays det_vjp(const Node& node, In, In cotangents, Argnums) {
  return {over_matrix(cotangents[0]) * cofactor(node.inputs[0])};
}
Arrays det_jvp(const Node& node, In, In tangents, Argnums) {
  return {sum(tangents[0] * cofactor(node.inputs[0]), {-2, -1})};
}

Arrays slogdet_vjp(const Node& node, In, In cotangents, Argnums) {
  return {over_matrix(cotangents[1]) * transposed(inverse_or_nan(node.inputs[0]))};
}
Arrays slogdet_jvp(const Node& node, In outputs, In tangents, Argnums) {
  return {zeros_like(outputs[0]), sum(tangents[0] * transposed(inverse_or_nan(node.inputs[0])), {-2, -1})};
}

// C = det(A) A^-T: dC = tr(A^-1 dA) C - C dA^T A^-T, where there is an inverse.
Arrays cofactor_vjp(const Node& node, In outputs, In cotangents, Argnums) {
  const array it = transposed(inverse_or_nan(node.inputs[0])), &c = outputs[0], &g = cotangents[0];
  return {over_matrix(sum(g * c, {-2, -1})) * it - matmul(it, matmul(transposed(g), c))};
}
Arrays cofactor_jvp(const Node& node, In outputs, In tangents, Argnums) {
  const array it = transposed(inverse_or_nan(node.inputs[0])), &c = outputs[0], &da = tangents[0];
  return {over_matrix(sum(it * da, {-2, -1})) * c - matmul(c, matmul(transposed(da), it))};
}

namespace {

// The lower triangle with half of the diagonal.
array half_lower(const array& x) {
  return (tril(x) + tril(x, -1)) * 0.5;
}
// L^-1 x L^-T, and its adjoint.
array between_inverses(const array& l, const array& x) {
  const array left = solve_triangular(l, x);
  return transposed(solve_triangular(l, transposed(left)));
}
array between_adjoints(const array& l, const array& x) {
  const array left = solve_triangular(transposed(l), x, true);
  return transposed(solve_triangular(transposed(l), transposed(left), true));
}

}  // namespace

// Murray 2016, arXiv:1602.07527.
Arrays cholesky_vjp(const Node&, In outputs, In cotangents, Argnums) {
  const array &l = outputs[0], inner = half_lower(matmul(transposed(l), tril(cotangents[0])));
  return {symmetric(between_adjoints(l, inner))};
}
Arrays cholesky_jvp(const Node&, In outputs, In tangents, Argnums) {
  const array& l = outputs[0];
  return {matmul(l, half_lower(between_inverses(l, symmetric(tangents[0]))))};
}

namespace {

// The same system, or its adjoint, with another right side.
array solved_again(const Node& node, const array& b, bool adjoint) {
  const array a = adjoint ? transposed(node.inputs[0]) : node.inputs[0];
  if (node.op == &kSolve)
    return array::make(b.shape(), b.dtype(), kSolve, node.params<SolveParams>(), {a, b});
  const auto& p = node.params<TriangularParams>();
  return triangular(a, b, p.upper != adjoint, p.caller);
}
// What of a derivative with respect to a counts.
array part_of(const Node& node, const array& x) {
  if (node.op == &kSolve) return x;
  return node.params<TriangularParams>().upper ? triu(x) : tril(x);
}

}  // namespace

// Of solve and solve_triangular: A dX = dB - dA X.
Arrays solve_vjp(const Node& node, In outputs, In cotangents, Argnums argnums) {
  const array of_b = solved_again(node, cotangents[0], true);
  Arrays out;
  for (const int argnum : argnums)
    out.push_back(argnum == 1 ? of_b : part_of(node, negative(matmul(of_b, transposed(outputs[0])))));
  return out;
}
Arrays solve_jvp(const Node& node, In outputs, In tangents, Argnums argnums) {
  Arrays right;
  for (size_t i = 0; i < argnums.size(); ++i)
    right.push_back(argnums[i] == 1 ? tangents[i] : negative(matmul(part_of(node, tangents[i]), outputs[0])));
  return {solved_again(node, right.size() == 2 ? right[0] + right[1] : right[0], false)};
}

Mapped solve_vmap(const Node& node, In inputs, Argnums axes) {
  const Arrays all = batch_first(inputs, axes);
  if (node.op == &kSolve)
    return {{array::make(all[1].shape(), all[1].dtype(), kSolve, node.params<SolveParams>(), all)}, {0}};
  const auto& p = node.params<TriangularParams>();
  return {{triangular(all[0], all[1], p.upper, p.caller)}, {0}};
}

namespace {

// With rows in their order, A = L U, and F = L1^-1 dA1 U1^-1 of the leading square block: dL1 = L1 tril(F,
// -1), dU1 = triu(F) U1; what is below or beside the block follows.
struct LuBlocks {
  int64_t k;
  array l1, l2, u1, u2;
  explicit LuBlocks(const array& packed)
      : LuBlocks(std::min(packed.shape(-1), packed.shape(-2)), unpacked(packed)) {}
  array divided(const array& x) const {  // x U1^-1
    return transposed(solve_triangular(transposed(u1), transposed(x)));
  }
  array divided_adjoint(const array& x) const {  // x U1^-T
    return transposed(solve_triangular(u1, transposed(x), true));
  }

 private:
  LuBlocks(int64_t k, const std::pair<array, array>& lu)
      : k(k),
        l1(rows(lu.first, 0, k)),
        l2(rows(lu.first, k, lu.first.shape(-2))),
        u1(columns(lu.second, 0, k)),
        u2(columns(lu.second, k, lu.second.shape(-1))) {}
};

array in_blocks(const array& a11, const array& a12, const array& a21) {
  // One of the two is empty: a matrix is longer one way only.
  return a12.shape(-1) > 0 ? concatenate({a11, a12}, -1) : concatenate({a11, a21}, -2);
}

}  // namespace

Arrays lu_jvp(const Node&, In outputs, In tangents, Argnums) {
  const LuBlocks b(outputs[0]);
  const array da = reordered(tangents[0], argsort(outputs[2], -1));
  const int64_t k = b.k, m = da.shape(-2), n = da.shape(-1);
  const array top = rows(da, 0, k);
  const array f = b.divided(solve_triangular(b.l1, columns(top, 0, k)));
  const array lower = tril(f, -1), upper = triu(f);
  const array d11 = matmul(b.l1, lower) + matmul(upper, b.u1);
  const array d12 = solve_triangular(b.l1, columns(top, k, n)) - matmul(lower, b.u2);
  const array d21 = b.divided(columns(rows(da, k, m), 0, k)) - matmul(b.l2, upper);
  return {in_blocks(d11, d12, d21), zeros_like(outputs[1]), zeros_like(outputs[2])};
}

Arrays lu_vjp(const Node&, In outputs, In cotangents, Argnums) {
  const LuBlocks b(outputs[0]);
  const array& g = cotangents[0];
  const int64_t k = b.k, m = g.shape(-2), n = g.shape(-1);
  const array g11 = columns(rows(g, 0, k), 0, k), g12 = columns(rows(g, 0, k), k, n),
              g21 = columns(rows(g, k, m), 0, k);
  const array inner = tril(matmul(transposed(b.l1), tril(g11, -1)) - matmul(g12, transposed(b.u2)), -1) +
                      triu(matmul(triu(g11), transposed(b.u1)) - matmul(transposed(b.l2), g21));
  const array l1t = transposed(b.l1);
  const array a11 = b.divided_adjoint(solve_triangular(l1t, inner, true));
  const array of_rows = in_blocks(a11, solve_triangular(l1t, g12, true), b.divided_adjoint(g21));
  return {reordered(of_rows, outputs[2])};
}

}  // namespace uma::linalg
