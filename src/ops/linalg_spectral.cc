// qr, svd, eigh, eig and the pseudo-inverse.
#include "ops/linalg.h"
#include "ops/linalg_rules.h"
#include "ops/manipulate.h"
#include "ops/reduce.h"

namespace uma::linalg {
namespace {

DType real_of(DType d) {
  return d == DType::complex64 ? DType::float32 : d;
}

Arrays qr_node(const array& a) {
  const int64_t m = a.shape(-2), n = a.shape(-1), k = std::min(m, n);
  return make_factors(kQr, 0, a, {{batched(a, {m, k}), a.dtype()}, {batched(a, {k, n}), a.dtype()}});
}

Arrays svd_node(const array& a, SvdMode mode) {
  const int64_t m = a.shape(-2), n = a.shape(-1), k = std::min(m, n);
  const DType real = real_of(a.dtype());
  if (mode == SvdMode::values) return {array::make(batched(a, {k}), real, kSvd, SvdParams{mode}, {a})};
  const bool full = mode == SvdMode::full;
  return make_factors(kSvd, SvdParams{mode}, a,
                      {{batched(a, {m, full ? m : k}), a.dtype()},
                       {batched(a, {k}), real},
                       {batched(a, {full ? n : k, n}), a.dtype()}});
}

Arrays eig_node(const OpInfo& op, const array& a, EigParams params) {
  const int64_t n = a.shape(-1);
  const DType vectors = &op == &kEig ? DType::complex64 : a.dtype();
  const DType values = &op == &kEig ? DType::complex64 : real_of(a.dtype());
  if (!params.vectors) return {array::make(batched(a, {n}), values, op, params, {a})};
  return make_factors(op, params, a, {{batched(a, {n}), values}, {a.shape(), vectors}});
}

void check_svd(const array& a) {
  check_matrix(a, "svd", false, true, 8);
}

void check_real(const array& a, std::string_view op) {
  check(a.dtype() != DType::complex64, ErrorCode::kUnsupported, op, "has no derivative of complex64");
}

}  // namespace

std::pair<array, array> qr(const array& a) {
  check_matrix(a, "qr", false);
  const Arrays out = qr_node(a);
  return {out[0], out[1]};
}

Svd svd(const array& a, bool full) {
  check_svd(a);
  const Arrays out = svd_node(a, full ? SvdMode::full : SvdMode::reduced);
  return {out[0], out[1], out[2]};
}
array singular_values(const array& a) {
  check_svd(a);
  return svd_node(a, SvdMode::values)[0];
}

array pinv(const array& a) {
  check_matrix(a, "pinv", false, false, 8);
  return array::make(batched(a, {a.shape(-1), a.shape(-2)}), a.dtype(), kPinv, {a});
}

std::pair<array, array> eigh(const array& a, bool upper) {
  check_matrix(a, "eigh", true, true, 4);
  const Arrays out = eig_node(kEigh, a, {true, upper});
  return {out[0], out[1]};
}
array eigvalsh(const array& a, bool upper) {
  check_matrix(a, "eigvalsh", true, true);
  return eig_node(kEigh, a, {false, upper})[0];
}
std::pair<array, array> eig(const array& a) {
  check_matrix(a, "eig", true, true);
  const Arrays out = eig_node(kEig, a, {true, false});
  return {out[0], out[1]};
}
array eigvals(const array& a) {
  check_matrix(a, "eigvals", true, true);
  return eig_node(kEig, a, {false, false})[0];
}

// Of all that take one matrix.
Mapped factor_vmap(const Node& node, In inputs, Argnums axes) {
  const array a = moveaxis(inputs[0], axes[0], 0);
  Arrays out;
  if (node.op == &kCholesky) {
    out = {cholesky(a)};
  } else if (node.op == &kLu) {
    const int64_t m = a.shape(-2), k = std::min(m, a.shape(-1));
    out = make_factors(
        kLu, 0, a,
        {{a.shape(), a.dtype()}, {batched(a, {k}), DType::uint32}, {batched(a, {m}), DType::uint32}});
  } else if (node.op == &kQr) {
    out = qr_node(a);
  } else if (node.op == &kSvd) {
    out = svd_node(a, node.params<SvdParams>().mode);
  } else {
    out = eig_node(*node.op, a, node.params<EigParams>());
  }
  std::vector<int> at(out.size(), 0);
  return {std::move(out), std::move(at)};
}

namespace {

// x r^-1 and x r^-T of an upper triangular r.
array divided(const array& x, const array& r) {
  return transposed(solve_triangular(transposed(r), transposed(x)));
}
array divided_adjoint(const array& x, const array& r) {
  return transposed(solve_triangular(r, transposed(x), true));
}

}  // namespace

// Of the leading square block A1 = Q R1: Q^T dQ is skew and dR1 R1^-1 upper triangular, which parts Q^T dA1
// R1^-1 in one way. Columns beside it are R2 = Q^T A2. Needs R1 to be regular.
Arrays qr_jvp(const Node& node, In outputs, In tangents, Argnums) {
  const array &q = outputs[0], &r = outputs[1], &a = node.inputs[0];
  const int64_t k = q.shape(-1), n = a.shape(-1);
  const array r1 = columns(r, 0, k), qt = transposed(q);
  const array x = divided(columns(tangents[0], 0, k), r1), s = matmul(qt, x);
  const array low = tril(s, -1), skew = low - transposed(low);
  const array dq = matmul(q, skew - s) + x, dr1 = matmul(s - skew, r1);
  if (n == k) return {dq, dr1};
  const array dr2 = matmul(transposed(dq), columns(a, k, n)) + matmul(qt, columns(tangents[0], k, n));
  return {dq, concatenate({dr1, dr2}, -1)};
}

Arrays qr_vjp(const Node& node, In outputs, In cotangents, Argnums) {
  const array &q = outputs[0], &r = outputs[1], &a = node.inputs[0];
  const int64_t k = q.shape(-1), n = a.shape(-1);
  const array r1 = columns(r, 0, k), gr2 = columns(cotangents[1], k, n);
  array gq = cotangents[0];
  if (n > k) gq = gq + matmul(columns(a, k, n), transposed(gr2));
  const array m = matmul(r1, transposed(triu(columns(cotangents[1], 0, k)))) - matmul(transposed(gq), q);
  const array both = tril(m) + transposed(tril(m, -1));
  const array g1 = divided_adjoint(gq + matmul(q, both), r1);
  if (n == k) return {g1};
  return {concatenate({g1, matmul(q, gr2)}, -1)};
}

namespace {

// Of singular values s: 1 / (s_j - s_i) and 1 / (s_j + s_i). Equal ones have 0: their vectors may turn
// together, and what does not depend on that has no part here.
struct Gaps {
  array difference, sum;
  explicit Gaps(const array& s)
      : difference(reciprocal_or_zero(expand_dims(s, {-2}) - expand_dims(s, {-1}))),
        sum(reciprocal_or_zero(expand_dims(s, {-2}) + expand_dims(s, {-1}))) {}
};

// The reduced factors of the node's matrix, of its outputs where they have them, and the columns of u and v
// that only a full svd has.
struct SvdParts {
  array u, s, v, rest_u, rest_v;

  static SvdParts of(const Node& node, In outputs) {
    const array& a = node.inputs[0];
    check_real(a, "svd");
    if (node.params<SvdParams>().mode == SvdMode::values) {
      const Svd f = svd(a, false);
      return SvdParts(f.u, f.s, transposed(f.vt));
    }
    return SvdParts(outputs[0], outputs[1], transposed(outputs[2]));
  }

  // Of an array like u or v.
  array first(const array& x) const { return columns(x, 0, s.shape(-1)); }
  array rest(const array& x) const { return columns(x, s.shape(-1), x.shape(-1)); }
  // x / s of every column.
  array divided(const array& x) const { return scaled(x, reciprocal_or_zero(s)); }

 private:
  SvdParts(const array& all_u, const array& s, const array& all_v)
      : u(columns(all_u, 0, s.shape(-1))),
        s(s),
        v(columns(all_v, 0, s.shape(-1))),
        rest_u(columns(all_u, s.shape(-1), all_u.shape(-1))),
        rest_v(columns(all_v, s.shape(-1), all_v.shape(-1))) {}
};

// x without its part in the span of orthonormal columns.
array outside(const array& basis, const array& x) {
  return x - matmul(basis, matmul(transposed(basis), x));
}

}  // namespace

// dU = U W + (I - U U^T) dA V / S and dV in the same way; the skew W follow from P = U^T dA V. Columns that
// only a full svd has move so as to stay orthogonal to the others.
Arrays svd_jvp(const Node& node, In outputs, In tangents, Argnums) {
  const SvdParts f = SvdParts::of(node, outputs);
  const array &da = tangents[0], av = matmul(da, f.v), p = matmul(transposed(f.u), av);
  const array ds = diagonal(p, 0, -2, -1);
  if (outputs.size() == 1) return {ds};
  const Gaps gaps(f.s);
  const array even = gaps.difference * symmetric(p), odd = gaps.sum * (p - transposed(p)) * 0.5;
  const array atu = matmul(transposed(da), f.u);
  const auto whole = [&](const array& basis, const array& turn, const array& raw, const array& rest) {
    array d = matmul(basis, turn);
    if (basis.shape(-2) > basis.shape(-1)) d = d + f.divided(outside(basis, raw));
    if (rest.shape(-1) == 0) return d;
    return concatenate({d, negative(matmul(basis, matmul(transposed(d), rest)))}, -1);
  };
  const array du = whole(f.u, even + odd, av, f.rest_u), dv = whole(f.v, even - odd, atu, f.rest_v);
  return {du, ds, transposed(dv)};
}

Arrays svd_vjp(const Node& node, In outputs, In cotangents, Argnums) {
  const SvdParts f = SvdParts::of(node, outputs);
  if (outputs.size() == 1) return {matmul(scaled(f.u, cotangents[0]), transposed(f.v))};
  const auto reduced = [&](const array& g, const array& basis, const array& rest) {
    const array first = f.first(g);
    return rest.shape(-1) == 0 ? first : first - matmul(rest, matmul(transposed(f.rest(g)), basis));
  };
  const array gu = reduced(cotangents[0], f.u, f.rest_u),
              gv = reduced(transposed(cotangents[2]), f.v, f.rest_v);
  const array of_u = matmul(transposed(f.u), gu), of_v = matmul(transposed(f.v), gv);
  const Gaps gaps(f.s);
  const array odd = gaps.sum * (of_u - of_v);
  const array inner = symmetric(gaps.difference * (of_u + of_v)) + (odd - transposed(odd)) * 0.5 +
                      eye_like(of_u) * expand_dims(cotangents[1], {-1});
  array g = matmul(f.u, matmul(inner, transposed(f.v)));
  if (f.u.shape(-2) > f.u.shape(-1)) g = g + matmul(f.divided(outside(f.u, gu)), transposed(f.v));
  if (f.v.shape(-2) > f.v.shape(-1)) g = g + matmul(f.u, transposed(f.divided(outside(f.v, gv))));
  return {g};
}

Arrays pinv_fallback(const Node&, In inputs) {
  const array& a = inputs[0];
  const int64_t longest = std::max(a.shape(-1), a.shape(-2));
  if (a.size() == 0) return {transposed(zeros_like(a))};
  const auto [u, s, vt] = svd(a, false);
  const double eps = a.dtype() == DType::float32 ? 0x1p-23 : 0x1p-52;
  const array least = max(s, {-1}, true) * (static_cast<double>(longest) * eps);
  const array inverse = reciprocal_or_zero(where(greater(s, least), s, zeros_like(s)));
  return {matmul(scaled(transposed(vt), inverse), transposed(u))};
}

// Golub & Pereyra 1973, for matrices of constant rank: with B = A^+,
// dB = -B dA B + B B^T dA^T (I - A B) + (I - B A) dA^T B^T B.
Arrays pinv_jvp(const Node& node, In outputs, In tangents, Argnums) {
  const array &a = node.inputs[0], &b = outputs[0], bt = transposed(b), dat = transposed(tangents[0]);
  const array right = matmul(b, matmul(bt, dat)), left = matmul(matmul(dat, bt), b);
  return {(right - matmul(matmul(right, a), b)) + (left - matmul(b, matmul(a, left))) -
          matmul(b, matmul(tangents[0], b))};
}
Arrays pinv_vjp(const Node& node, In outputs, In cotangents, Argnums) {
  const array &a = node.inputs[0], &b = outputs[0], bt = transposed(b), gt = transposed(cotangents[0]);
  const array left = matmul(matmul(gt, b), bt), right = matmul(bt, matmul(b, gt));
  return {(left - matmul(a, matmul(b, left))) + (right - matmul(matmul(right, b), a)) -
          matmul(bt, matmul(cotangents[0], bt))};
}

namespace {

std::pair<array, array> eigh_parts(const Node& node, In outputs) {
  check_real(node.inputs[0], "eigh");
  const auto& p = node.params<EigParams>();
  if (!p.vectors) return eigh(node.inputs[0], p.upper);
  return {outputs[0], outputs[1]};
}

}  // namespace

// As of a symmetric matrix, whichever triangle is read.
Arrays eigh_jvp(const Node& node, In outputs, In tangents, Argnums) {
  const auto [w, v] = eigh_parts(node, outputs);
  const array p = matmul(transposed(v), matmul(symmetric(tangents[0]), v));
  const array dw = diagonal(p, 0, -2, -1);
  if (outputs.size() == 1) return {dw};
  return {dw, matmul(v, Gaps(w).difference * p)};
}
Arrays eigh_vjp(const Node& node, In outputs, In cotangents, Argnums) {
  const auto [w, v] = eigh_parts(node, outputs);
  const array vt = transposed(v);
  if (outputs.size() == 1) return {matmul(scaled(v, cotangents[0]), vt)};
  const array inner =
      Gaps(w).difference * matmul(vt, cotangents[1]) + eye_like(v) * expand_dims(cotangents[0], {-1});
  return {symmetric(matmul(v, matmul(inner, vt)))};
}

}  // namespace uma::linalg
