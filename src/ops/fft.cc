#include "ops/fft.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/shape.h"

namespace uma::fft {
namespace {

array make(const array& x, const FftParams& params) {
  Shape shape = x.shape();
  const bool to_real = params.kind == Kind::inverse_real;
  if (params.kind == Kind::real) shape.back() = params.n / 2 + 1;
  if (to_real) shape.back() = params.n;
  return array::make(shape, to_real ? DType::float32 : DType::complex64, kFft, params, {x});
}

double scale_of(Norm norm, bool inverse, int64_t n) {
  const auto points = static_cast<double>(n);
  if (norm == Norm::ortho) return 1 / std::sqrt(points);
  return (norm == Norm::backward) == inverse ? 1 / points : 1;
}

// The first `extent` elements along an axis, with zeros for those that are missing.
array resized(const array& x, int axis, int64_t extent) {
  const int64_t have = x.shape(axis);
  if (have == extent) return x;
  if (have > extent) return slice_axis(x, axis, 0, extent);
  Shape missing = x.shape();
  missing[static_cast<size_t>(axis)] = extent - have;
  return concatenate({x, zeros(missing, x.dtype())}, axis);
}

array transform(const array& a, Kind kind, std::optional<int64_t> n, int axis, Norm norm) {
  const bool to_real = kind == Kind::inverse_real, inverse = to_real || kind == Kind::inverse;
  axis = normalize_axis(axis, a.ndim(), "fft");
  check(a.dtype() != DType::float64, ErrorCode::kDType, "fft",
        "has no complex dtype of float64: convert to float32 before");
  const int64_t points = n ? *n : to_real ? 2 * (a.shape(axis) - 1) : a.shape(axis);
  check(points > 0, ErrorCode::kInvalidArgument, "fft", "transforms one element or more, not {}", points);
  const array x = resized(astype(a, kind == Kind::real ? DType::float32 : DType::complex64), axis,
                          to_real ? points / 2 + 1 : points);
  FftParams params{kind, axis, points, scale_of(norm, inverse, points)};
  if (kind == Kind::forward || kind == Kind::inverse) return make(x, params);
  const int last = params.axis = static_cast<int>(a.ndim()) - 1;
  return moveaxis(make(moveaxis(x, axis, last), params), last, axis);
}

struct Plan {
  std::vector<int> axes;
  std::vector<std::optional<int64_t>> sizes;
};

Plan plan_of(const array& a, const Sizes& s, const FftAxes& axes, std::string_view op) {
  check(!s || axes, ErrorCode::kInvalidArgument, op, "takes sizes only for axes that are given");
  Plan plan;
  if (axes) {
    for (const int axis : *axes) plan.axes.push_back(normalize_axis(axis, a.ndim(), op));
  } else {
    plan.axes.resize(a.ndim());
    std::iota(plan.axes.begin(), plan.axes.end(), 0);
  }
  check(!s || s->size() == plan.axes.size(), ErrorCode::kInvalidArgument, op, "got {} sizes for {} axes",
        s ? s->size() : 0, plan.axes.size());
  auto sorted = plan.axes;
  std::sort(sorted.begin(), sorted.end());
  check(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end(), ErrorCode::kInvalidArgument, op,
        "an axis comes twice");
  plan.sizes.resize(plan.axes.size());
  if (s) std::copy(s->begin(), s->end(), plan.sizes.begin());
  return plan;
}

array over_axes(array x, const Plan& plan, size_t count, Kind kind, Norm norm) {
  for (size_t i = count; i-- > 0;) x = transform(x, kind, plan.sizes[i], plan.axes[i], norm);
  return x;
}

array rolled(const array& x, int axis, int64_t by) {
  const int64_t n = x.shape(axis);
  if (n < 2 || by % n == 0) return x;
  return concatenate({slice_axis(x, axis, n - by, n), slice_axis(x, axis, 0, n - by)}, axis);
}

array shifted(array x, const FftAxes& axes, bool back, std::string_view op) {
  const Plan plan = plan_of(x, {}, axes, op);
  for (const int axis : plan.axes) {
    const int64_t half = x.shape(axis) / 2;
    x = rolled(x, axis, back ? x.shape(axis) - half : half);
  }
  return x;
}

void check_length(int64_t n, double d, std::string_view op) {
  check(n > 0, ErrorCode::kInvalidArgument, op, "needs a length of one or more, not {}", n);
  check(d != 0, ErrorCode::kInvalidArgument, op, "needs a spacing that is not zero");
}

// k / (n d) for `count` of them; from the middle on they are negative where all n are wanted.
array frequencies(int64_t n, int64_t count, double d, bool wrap) {
  std::vector<float> f(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t k = !wrap || i < (n + 1) / 2 ? i : i - n;
    f[static_cast<size_t>(i)] = static_cast<float>(static_cast<double>(k) / (static_cast<double>(n) * d));
  }
  return array(std::span<const float>(f), {count});
}

}  // namespace

Norm norm_from_name(std::string_view name) {
  if (name == "backward") return Norm::backward;
  if (name == "ortho") return Norm::ortho;
  check(name == "forward", ErrorCode::kInvalidArgument, "fft",
        "knows the norms backward, ortho and forward, not {}", name);
  return Norm::forward;
}

array fft(const array& a, std::optional<int64_t> n, int axis, Norm norm) {
  return transform(a, Kind::forward, n, axis, norm);
}
array ifft(const array& a, std::optional<int64_t> n, int axis, Norm norm) {
  return transform(a, Kind::inverse, n, axis, norm);
}
array rfft(const array& a, std::optional<int64_t> n, int axis, Norm norm) {
  return transform(a, Kind::real, n, axis, norm);
}
array irfft(const array& a, std::optional<int64_t> n, int axis, Norm norm) {
  return transform(a, Kind::inverse_real, n, axis, norm);
}

array fftn(const array& a, const Sizes& s, const FftAxes& axes, Norm norm) {
  const Plan plan = plan_of(a, s, axes, "fftn");
  return over_axes(a, plan, plan.axes.size(), Kind::forward, norm);
}
array ifftn(const array& a, const Sizes& s, const FftAxes& axes, Norm norm) {
  const Plan plan = plan_of(a, s, axes, "ifftn");
  return over_axes(a, plan, plan.axes.size(), Kind::inverse, norm);
}
array rfftn(const array& a, const Sizes& s, const FftAxes& axes, Norm norm) {
  const Plan plan = plan_of(a, s, axes, "rfftn");
  if (plan.axes.empty()) return a;
  const array x = transform(a, Kind::real, plan.sizes.back(), plan.axes.back(), norm);
  return over_axes(x, plan, plan.axes.size() - 1, Kind::forward, norm);
}
array irfftn(const array& a, const Sizes& s, const FftAxes& axes, Norm norm) {
  const Plan plan = plan_of(a, s, axes, "irfftn");
  if (plan.axes.empty()) return a;
  const array x = over_axes(a, plan, plan.axes.size() - 1, Kind::inverse, norm);
  return transform(x, Kind::inverse_real, plan.sizes.back(), plan.axes.back(), norm);
}

array fftfreq(int64_t n, double d) {
  check_length(n, d, "fftfreq");
  return frequencies(n, n, d, true);
}
array rfftfreq(int64_t n, double d) {
  check_length(n, d, "rfftfreq");
  return frequencies(n, n / 2 + 1, d, false);
}
array fftshift(const array& a, const FftAxes& axes) {
  return shifted(a, axes, false, "fftshift");
}
array ifftshift(const array& a, const FftAxes& axes) {
  return shifted(a, axes, true, "ifftshift");
}

std::vector<array> fft_vjp(const Node& node, std::span<const array>, std::span<const array> cotangents,
                           std::span<const int>) {
  FftParams p = node.params<FftParams>();
  const array& g = cotangents[0];
  const int last = static_cast<int>(g.ndim()) - 1;
  switch (p.kind) {
    case Kind::forward:
    case Kind::inverse:
      p.kind = p.kind == Kind::forward ? Kind::inverse : Kind::forward;
      return {make(g, p)};
    case Kind::real:
      p.kind = Kind::inverse;
      return {real(make(resized(g, last, p.n), p))};
    case Kind::inverse_real:
      break;
  }
  // All frequencies but the first, and the middle one of an even number, stand for two.
  std::vector<float> twice(static_cast<size_t>(p.n / 2 + 1), 2.0f);
  twice.front() = 1;
  if (p.n % 2 == 0) twice.back() = 1;
  p.kind = Kind::real;
  return {make(g, p) * array(std::span<const float>(twice), {p.n / 2 + 1})};
}

std::vector<array> fft_jvp(const Node& node, std::span<const array>, std::span<const array> tangents,
                           std::span<const int>) {
  return {make(tangents[0], node.params<FftParams>())};
}

std::pair<std::vector<array>, std::vector<int>> fft_vmap(const Node& node, std::span<const array> inputs,
                                                         std::span<const int> axes) {
  FftParams p = node.params<FftParams>();
  ++p.axis;
  return {{make(moveaxis(inputs[0], axes[0], 0), p)}, {0}};
}

}  // namespace uma::fft
