// How ops along axes, and random numbers, are made again.
#include "graph/row.h"
#include "ops/random.h"
#include "ops/registry.h"

namespace uma::rules {
namespace {

Arrays reduce_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<ReduceParams>();
  if (p.axes.empty()) return {x[0]};
  static constexpr array (*kFunctions[])(const array&, const Axes&, bool) = {&sum, &prod, &max,
                                                                             &min, &all,  &any};
  return {kFunctions[static_cast<size_t>(p.kind)](x[0], {p.axes.begin(), p.axes.end()}, true)};
}
Arrays arg_reduce_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<ArgReduceParams>();
  return {p.largest ? argmax(x[0], p.axis, true) : argmin(x[0], p.axis, true)};
}
Arrays scan_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<ScanParams>();
  return {(p.product ? cumprod : cumsum)(x[0], -1, p.reverse, p.inclusive)};
}
Arrays cumulative_rule(const Node& node, Inputs x, const Rebuilding&) {
  static constexpr array (*kFunctions[])(const array&, int, bool, bool) = {&cummax, &cummin, &logcumsumexp};
  return {kFunctions[static_cast<size_t>(node.params<CumulativeParams>().kind)](x[0], -1, false, true)};
}
Arrays fft_rule(const Node& node, Inputs x, const Rebuilding& r) {
  const auto& p = node.params<fft::FftParams>();
  const int axis = normalize_axis(p.axis, x[0].ndim(), "fft");
  check(x[0].shape(axis) == r.inputs[0].shape[static_cast<size_t>(axis)], ErrorCode::kShape, "fft",
        "was recorded for {} points, and there are {}: record the function for it",
        r.inputs[0].shape[static_cast<size_t>(axis)], x[0].shape(axis));
  const bool half = p.kind == fft::Kind::inverse_real, from_real = p.kind == fft::Kind::real;
  const bool last = axis == static_cast<int>(x[0].ndim()) - 1;
  check(p.n > 0 && (half ? p.n / 2 + 1 : p.n) == x[0].shape(axis) && (last || !(half || from_real)) &&
            x[0].dtype() == (from_real ? DType::float32 : DType::complex64),
        ErrorCode::kShape, "fft", "{} points along axis {} of {} {}", p.n, axis, name_of(x[0].dtype()),
        x[0].shape());
  Shape shape = x[0].shape();
  if (from_real) shape.back() = p.n / 2 + 1;
  if (half) shape.back() = p.n;
  return {array::make(shape, half ? DType::float32 : DType::complex64, kFft,
                      fft::FftParams{p.kind, axis, p.n, p.scale}, {x[0]})};
}

Arrays argsort_rule(const Node&, Inputs x, const Rebuilding&) {
  return {argsort(x[0], -1)};
}

Arrays argpartition_rule(const Node& node, Inputs x, const Rebuilding&) {
  return {argpartition(x[0], node.params<ArgpartitionParams>().kth, -1)};
}

template <class P>
Arrays random_rule(const Node& node, Inputs x, const Rebuilding& r) {
  const P& p = node.params<P>();
  check_fixed(p.shape, r, node.op->name);
  check(x[0].dtype() == DType::uint32 && x[0].ndim() >= 1 && x[0].shape(-1) == 2, ErrorCode::kShape,
        node.op->name, "takes keys of shape (..., 2), not {} of {}", x[0].shape(), name_of(x[0].dtype()));
  Shape shape(x[0].shape().begin(), x[0].shape().end() - 1);
  for (const int64_t extent : p.shape) {
    check(extent >= 0, ErrorCode::kShape, node.op->name, "shape {} has a negative extent", p.shape);
    shape.push_back(extent);
  }
  DType d = DType::float32;
  if constexpr (std::is_same_v<P, random::BitsParams>) {
    check(p.width == 1 || p.width == 2 || p.width == 4, ErrorCode::kInvalidArgument, "bits", "a width of {}",
          p.width);
    d = p.width == 1 ? DType::uint8 : p.width == 2 ? DType::uint16 : DType::uint32;
  }
  return {array::make(std::move(shape), d, *node.op, p, {x[0]})};
}

}  // namespace

void add_along_axes(Table& t) {
  t[&kReduce] = row<ReduceParams, &ReduceParams::kind, &ReduceParams::axes>(reduce_rule);
  t[&kArgReduce] = row<ArgReduceParams, &ArgReduceParams::largest, &ArgReduceParams::axis>(arg_reduce_rule);
  t[&kSoftmax] = plain([](const Node&, Inputs x, const Rebuilding&) { return Arrays{softmax(x[0], -1)}; });
  t[&kSort] = plain([](const Node&, Inputs x, const Rebuilding&) { return Arrays{sort(x[0], -1)}; });
  t[&kArgsort] = plain(argsort_rule);
  t[&kArgpartition] = row<ArgpartitionParams, &ArgpartitionParams::kth>(argpartition_rule);
  t[&kScan] = row<ScanParams, &ScanParams::product, &ScanParams::reverse, &ScanParams::inclusive>(scan_rule);
  t[&kCumulative] = row<CumulativeParams, &CumulativeParams::kind>(cumulative_rule);
  t[&kFft] = row<fft::FftParams, &fft::FftParams::kind, &fft::FftParams::axis, &fft::FftParams::n,
                 &fft::FftParams::scale>(fft_rule);
}

void add_random(Table& t) {
  using random::BitsParams, random::NormalParams, random::UniformParams;
  t[&kRandomBits] = row<BitsParams, &BitsParams::shape, &BitsParams::width>(random_rule<BitsParams>);
  t[&kRandomNormal] = row<NormalParams, &NormalParams::shape>(random_rule<NormalParams>);
  t[&kRandomUniform] = row<UniformParams, &UniformParams::shape, &UniformParams::low, &UniformParams::range>(
      random_rule<UniformParams>);
}

}  // namespace uma::rules
