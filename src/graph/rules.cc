#include "graph/rules.h"

#include <algorithm>
#include <unordered_map>

#include "core/device.h"
#include "fast/attention.h"
#include "fast/layer_norm.h"
#include "fast/registry.h"
#include "fast/rope.h"
#include "graph/extents.h"
#include "graph/params.h"
#include "ops/count.h"
#include "ops/registry.h"
#include "transforms/custom.h"

namespace uma {
namespace {

using Arrays = std::vector<array>;
using Inputs = std::span<const array>;
using Rule = Arrays (*)(const Node&, Inputs, const Rebuilding&);

struct RuleRow {
  Rule rule;
  std::string (*write)(const Node&) = nullptr;  // none: not for files
  std::shared_ptr<Node> (*read)(const OpInfo&, std::string_view) = nullptr;
  bool spreads = false;  // knows what to do with inputs that were repeated
};

template <class P, auto... kMembers>
RuleRow row(Rule rule, bool spreads = false) {
  return {rule,
          [](const Node& node) {
            params::Writer out;
            (out.put(node.params<P>().*kMembers), ...);
            return out.take();
          },
          [](const OpInfo& op, std::string_view bytes) -> std::shared_ptr<Node> {
            P value{};
            params::Reader in(bytes, op.name);
            (in.get(value.*kMembers), ...);
            in.end();
            return std::make_shared<NodeWith<P>>(op, default_stream(), Arrays{}, std::move(value));
          },
          spreads};
}
RuleRow plain(Rule rule, bool spreads = false) {
  return {rule, [](const Node&) { return std::string(); },
          [](const OpInfo& op, std::string_view bytes) {
            params::Reader(bytes, op.name).end();
            return std::make_shared<Node>(op, default_stream(), Arrays{});
          },
          spreads};
}

// -- Elementwise --

array applied(const Node& node, const Arrays& x, const Rebuilding& recorded) {
  if (node.op == &kAstype) return astype(x[0], recorded.outputs[0].dtype);
  if (node.op == &kStopGradient) return stop_gradient(x[0]);
  if (node.op == &kSelect) return where(x[0], x[1], x[2]);
  if (node.op == &kMakeComplex) return make_complex(x[0], x[1]);
  return x.size() == 1 ? unary_function(*node.op)(x[0]) : binary_function(*node.op)(x[0], x[1]);
}

Arrays elementwise(const Node& node, Inputs x, const Rebuilding& recorded) {
  for (const array& input : x)
    check(input.ndim() == x[0].ndim(), ErrorCode::kShape, node.op->name, "inputs of shapes {} and {}",
          x[0].shape(), input.shape());
  const Common common = in_common(x, 0);
  const array out = applied(node, common.inputs, recorded);
  return {common.repeated ? broadcast_to(out, common.full) : out};
}

Arrays product(const Node&, Inputs x, const Rebuilding& recorded) {
  check(x[0].ndim() >= 2 && x[0].ndim() == x[1].ndim(), ErrorCode::kShape, "matmul",
        "inputs of shapes {} and {}", x[0].shape(), x[1].shape());
  const Common batch = in_common(x, 2);
  const size_t m = x[0].ndim() - 2, k = m + 1;
  const Spread a = spread_of(x[0]), b = spread_of(x[1]);
  // Repeated rows and columns keep their number; the inner extent is that of the input that has it.
  Arrays in = batch.inputs;
  const auto set = [&](size_t which, size_t axis, int64_t extent) {
    Shape shape = in[which].shape();
    shape[axis] = extent;
    in[which] = broadcast_to(in[which], shape);
  };
  if (a.soft[m]) check_kept(x[0], recorded, "matmul"), set(0, m, x[0].shape()[m]);
  if (b.soft[k]) check_kept(x[1], recorded, "matmul"), set(1, k, x[1].shape()[k]);
  if (a.soft[k] && b.soft[m]) check_kept(x[0], recorded, "matmul");
  if (a.soft[k]) set(0, k, b.soft[m] ? x[0].shape()[k] : in[1].shape()[m]);
  if (b.soft[m]) set(1, m, in[0].shape()[k]);
  const array out = matmul(in[0], in[1]);
  if (!batch.repeated) return {out};
  Shape full = batch.full;
  full.push_back(out.shape(-2));
  full.push_back(out.shape(-1));
  return {broadcast_to(out, full)};
}

// -- Shapes --

Arrays reshape_rule(const Node& node, Inputs x, const Rebuilding& r) {
  const Shape& to = node.params<ReshapeParams>().shape;
  check(num_elements(to) == num_elements(r.inputs[0].shape), ErrorCode::kShape, "reshape",
        "shape {} does not become {}", r.inputs[0].shape, to);
  return {reshape(x[0], reshaped(r.inputs[0].shape, to, x[0].shape()))};
}
Arrays broadcast_rule(const Node& node, Inputs x, const Rebuilding& r) {
  const Shape& to = node.params<ReshapeParams>().shape;
  check(to.size() >= x[0].ndim(), ErrorCode::kShape, "broadcast_to", "shape {} does not become {}",
        x[0].shape(), to);
  const Shape now = spread(r.inputs[0].shape, to, x[0].shape());
  // What was repeated before is repeated as often as it is now.
  if (x[0].node() && x[0].node()->op == &kBroadcastTo) return {broadcast_to(x[0].node()->inputs[0], now)};
  return {broadcast_to(x[0], now)};
}
Arrays transpose_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& axes = node.params<TransposeParams>().axes;
  check(axes.size() == x[0].ndim(), ErrorCode::kShape, "transpose", "{} axes for shape {}", axes.size(),
        x[0].shape());
  return {axes.empty() ? x[0] : transpose(x[0], {axes.begin(), axes.end()})};
}

// A slice holds along axes that are as they were, and where it took all of an axis.
Arrays slice_rule(const Node& node, Inputs x, const Rebuilding& r) {
  const auto& p = node.params<SliceParams>();
  const size_t n = x[0].ndim();
  check(p.start.size() == n && p.strides.size() == n && p.count.size() == n, ErrorCode::kShape, "slice",
        "{} starts, {} steps and {} counts for shape {}", p.start.size(), p.strides.size(), p.count.size(),
        x[0].shape());
  Shape start, stop;
  for (size_t i = 0; i < n; ++i) {
    const int64_t was = r.inputs[0].shape[i], now = x[0].shape()[i], step = p.strides[i];
    const bool all = p.count[i] == was && (step == 1 || step == -1);
    check(now == was || all, ErrorCode::kShape, "slice",
          "was recorded for an axis {} of {} elements, and there are {}: record the function for it", i, was,
          now);
    int64_t reach = 0;
    check(step != 0 && p.count[i] >= 0 && p.start[i] >= 0 && mul_fits(p.count[i], step, &reach) &&
              add_fits(reach, p.start[i], &reach),
          ErrorCode::kShape, "slice", "{} elements from {} in steps of {} are out of range", p.count[i],
          p.start[i], step);
    start.push_back(now == was || step == 1 ? p.start[i] : now - 1);
    stop.push_back(now == was ? reach : step == 1 ? now : -1);
  }
  return {slice(x[0], start, stop, p.strides)};
}
Arrays slice_update_rule(const Node& node, Inputs x, const Rebuilding& r) {
  const Shape& start = node.params<SliceUpdateParams>().start;
  for (size_t i = 0; i < std::min(start.size(), x[0].ndim()); ++i)
    check(x[0].shape()[i] == r.inputs[0].shape[i] || start[i] == 0, ErrorCode::kShape, "slice_update",
          "was recorded for an axis {} of {} elements, and there are {}: record the function for it", i,
          r.inputs[0].shape[i], x[0].shape()[i]);
  return {slice_update(x[0], x[1], start)};
}
Arrays as_strided_rule(const Node& node, Inputs x, const Rebuilding& r) {
  const auto& p = node.params<AsStridedParams>();
  check(x[0].shape() == r.inputs[0].shape, ErrorCode::kShape, "as_strided",
        "was recorded for shape {}, not {}: record the function for it", r.inputs[0].shape, x[0].shape());
  return {as_strided(x[0], p.shape, p.strides, p.offset)};
}

void check_fixed(const Shape& shape, const Rebuilding& r, std::string_view op) {
  for (const int64_t extent : shape)
    for (const Extents& e : r.changed)
      check(extent != e.before || extent == 1, ErrorCode::kShape, op,
            "makes {} elements, which may be the extent {} of an argument that has {} now: record the "
            "function for "
            "it",
            extent, e.before, e.now);
}
Arrays arange_rule(const Node& node, Inputs, const Rebuilding& r) {
  const Signature& out = r.outputs[0];
  check_fixed(out.shape, r, "arange");
  check(out.shape.size() == 1 && out.dtype != DType::bool_ && out.dtype != DType::complex64,
        ErrorCode::kShape, "arange", "gives no {} of shape {}", name_of(out.dtype), out.shape);
  return {array::make(out.shape, out.dtype, kArange, node.params<ArangeParams>(), {})};
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

// -- Along axes --

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

// -- By indices --

template <array (*kFunction)(const array&, const array&, int)>
Arrays indexed(const Node& node, Inputs x, const Rebuilding&) {
  return {kFunction(x[0], x[1], node.params<AxisParams>().axis)};
}
template <array (*kFunction)(const array&, const array&, const array&, int)>
Arrays updated(const Node& node, Inputs x, const Rebuilding&) {
  return {kFunction(x[0], x[1], x[2], node.params<AxisParams>().axis)};
}
Arrays gather_rule(const Node& node, Inputs x, const Rebuilding&) {
  return {gather(x[0], {x.begin() + 1, x.end()}, node.params<GatherParams>().axes)};
}
Arrays scatter_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<ScatterParams>();
  const size_t n = p.axes.size();
  check(x.size() == n + 2, ErrorCode::kShape, "scatter", "{} inputs for {} axes", x.size(), n);
  // Its inputs are x, the indices, the updates.
  return {scatter(x[0], {x.begin() + 1, x.end() - 1}, x.back(), p.axes, p.mode)};
}

// -- fast --

std::optional<array> maybe(Inputs x, size_t i, bool there = true) {
  return there && i < x.size() ? std::optional(x[i]) : std::nullopt;
}
Arrays layer_norm_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<LayerNormParams>();
  check(x.size() == size_t{1} + p.has_weight + p.has_bias, ErrorCode::kShape, "layer_norm", "has {} inputs",
        x.size());
  return {layer_norm(x[0], maybe(x, 1, p.has_weight), maybe(x, p.has_weight ? 2 : 1, p.has_bias), p.eps)};
}
Arrays rope_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<RopeParams>();
  return {rope(x[0], p.dims, p.traditional, p.base, p.scale, p.offset, maybe(x, 1))};
}
Arrays attention_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<AttentionParams>();
  check(x.size() == size_t{3} + p.has_mask, ErrorCode::kShape, node.op->name, "has {} inputs", x.size());
  return {scaled_dot_product_attention(x[0], x[1], x[2],
                                       {p.scale, p.causal, p.window, p.softcap, maybe(x, 3, p.has_mask)})};
}
Arrays quantized_matmul_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<QuantizedMatmulParams>();
  check(x.size() == p.weights.size() + 1, ErrorCode::kShape, node.op->name, "{} inputs for {} weights",
        x.size(), p.weights.size());
  std::vector<QuantizedMatrix> ws;
  for (size_t i = 0; i < p.weights.size(); ++i)
    ws.push_back({x[i + 1], p.weights[i].format, p.weights[i].rows, p.weights[i].cols});
  return quantized_matmul(x[0], ws, p.exact);
}
QuantizedMatrix matrix_of(const Node& node, const array& blocks) {
  const auto& p = node.params<QuantizedParams>();
  return {blocks, p.format, p.rows, p.cols};
}
PackedFormat checked(const PackedFormat& f) {
  static constexpr const char* kModes[] = {"affine", "mxfp4", "mxfp8", "nvfp4"};
  return PackedFormat::make(kModes[static_cast<size_t>(f.mode)], f.group, f.bits);
}
Arrays packed_dequantize_rule(const Node& node, Inputs x, const Rebuilding& r) {
  return {
      dequantize(x[0], x[1], maybe(x, 2), checked(node.params<PackedParams>().format), r.outputs[0].dtype)};
}
Arrays packed_matmul_rule(const Node& node, Inputs x, const Rebuilding&) {
  const array out = gather_qmm(x[0], x[3], x[4], maybe(x, 5), x[1], x[2], true,
                               checked(node.params<PackedParams>().format));
  return {out};
}

// -- Of the transformations --

Arrays custom_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<CustomParams>();
  std::vector<Node::Output> outputs;
  for (size_t i = p.inputs; i < x.size(); ++i) outputs.push_back({x[i].shape(), x[i].dtype(), {}});
  return array::make_many(std::move(outputs),
                          std::make_shared<NodeWith<CustomParams>>(kCustomFunction, default_stream(),
                                                                   Arrays(x.begin(), x.end()), p));
}

Arrays argsort_rule(const Node&, Inputs x, const Rebuilding&) {
  return {argsort(x[0], -1)};
}

using Table = std::unordered_map<const OpInfo*, RuleRow>;

void add_elementwise(Table& t) {
  for (const OpInfo* op : kOps)
    if (unary_function(*op) || binary_function(*op)) t.emplace(op, plain(elementwise, true));
  for (const OpInfo* op : {&kSelect, &kMakeComplex, &kStopGradient}) t[op] = plain(elementwise, true);
  t[&kAstype] = row<CastParams, &CastParams::dtype>(elementwise, true);
  t[&kMatmul] = plain(product, true);
}

void add_shapes(Table& t) {
  t[&kReshape] = row<ReshapeParams, &ReshapeParams::shape>(reshape_rule);
  t[&kBroadcastTo] = row<ReshapeParams, &ReshapeParams::shape>(broadcast_rule, true);
  t[&kTranspose] = row<TransposeParams, &TransposeParams::axes>(transpose_rule);
  t[&kContiguous] = plain([](const Node&, Inputs x, const Rebuilding&) { return Arrays{contiguous(x[0])}; });
  t[&kSlice] = row<SliceParams, &SliceParams::start, &SliceParams::strides, &SliceParams::count>(slice_rule);
  t[&kSliceUpdate] = row<SliceUpdateParams, &SliceUpdateParams::start>(slice_update_rule);
  t[&kAsStrided] =
      row<AsStridedParams, &AsStridedParams::shape, &AsStridedParams::strides, &AsStridedParams::offset>(
          as_strided_rule);
  t[&kView] = row<ViewParams, &ViewParams::dtype>([](const Node& node, Inputs x, const Rebuilding&) {
    return Arrays{view(x[0], node.params<ViewParams>().dtype)};
  });
  t[&kDepends] = plain([](const Node&, Inputs x, const Rebuilding&) {
    return depends({x[0]}, {x.begin() + 1, x.end()});
  });
  t[&kConcatenate] = row<AxisParams, &AxisParams::axis>([](const Node& node, Inputs x, const Rebuilding&) {
    return Arrays{concatenate({x.begin(), x.end()}, node.params<AxisParams>().axis)};
  });
  t[&kArange] = row<ArangeParams, &ArangeParams::start, &ArangeParams::step>(arange_rule);
  t[&kNumberOfElements] = row<CountParams, &CountParams::axes, &CountParams::dtype>(
      [](const Node& node, Inputs x, const Rebuilding&) {
        const auto& p = node.params<CountParams>();
        return Arrays{number_of_elements(x[0], p.axes, p.dtype)};
      });
}

void add_along_axes(Table& t) {
  t[&kReduce] = row<ReduceParams, &ReduceParams::kind, &ReduceParams::axes>(reduce_rule);
  t[&kArgReduce] = row<ArgReduceParams, &ArgReduceParams::largest, &ArgReduceParams::axis>(arg_reduce_rule);
  t[&kSoftmax] = plain([](const Node&, Inputs x, const Rebuilding&) { return Arrays{softmax(x[0], -1)}; });
  t[&kSort] = plain([](const Node&, Inputs x, const Rebuilding&) { return Arrays{sort(x[0], -1)}; });
  t[&kArgsort] = plain(argsort_rule);
  t[&kScan] = row<ScanParams, &ScanParams::product, &ScanParams::reverse, &ScanParams::inclusive>(scan_rule);
  t[&kCumulative] = row<CumulativeParams, &CumulativeParams::kind>(cumulative_rule);
  t[&kFft] = row<fft::FftParams, &fft::FftParams::kind, &fft::FftParams::axis, &fft::FftParams::n,
                 &fft::FftParams::scale>(fft_rule);
  using random::BitsParams, random::NormalParams, random::UniformParams;
  t[&kRandomBits] = row<BitsParams, &BitsParams::shape, &BitsParams::width>(random_rule<BitsParams>);
  t[&kRandomNormal] = row<NormalParams, &NormalParams::shape>(random_rule<NormalParams>);
  t[&kRandomUniform] = row<UniformParams, &UniformParams::shape, &UniformParams::low, &UniformParams::range>(
      random_rule<UniformParams>);
}

void add_indexing(Table& t) {
  t[&kTake] = row<AxisParams, &AxisParams::axis>(indexed<&take>);
  t[&kTakeAlongAxis] = row<AxisParams, &AxisParams::axis>(indexed<&take_along_axis>);
  t[&kScatterAdd] = row<AxisParams, &AxisParams::axis>(updated<&scatter_add>);
  t[&kScatterAddAlongAxis] = row<AxisParams, &AxisParams::axis>(updated<&scatter_add_along_axis>);
  t[&kGather] = row<GatherParams, &GatherParams::axes>(gather_rule);
  t[&kScatter] = row<ScatterParams, &ScatterParams::axes, &ScatterParams::mode>(scatter_rule);
  t[&kSearchsorted] =
      row<SearchParams, &SearchParams::right>([](const Node& node, Inputs x, const Rebuilding&) {
        return Arrays{searchsorted(x[0], x[1], node.params<SearchParams>().right ? "right" : "left")};
      });
}

void add_fast(Table& t) {
  t[&kRmsNorm] = row<RmsNormParams, &RmsNormParams::eps>([](const Node& node, Inputs x, const Rebuilding&) {
    return Arrays{rms_norm(x[0], maybe(x, 1), node.params<RmsNormParams>().eps)};
  });
  t[&kLayerNorm] =
      row<LayerNormParams, &LayerNormParams::eps, &LayerNormParams::has_weight, &LayerNormParams::has_bias>(
          layer_norm_rule);
  t[&kRope] = row<RopeParams, &RopeParams::dims, &RopeParams::traditional, &RopeParams::base,
                  &RopeParams::scale, &RopeParams::offset>(rope_rule);
  using A = AttentionParams;
  t[&kScaledDotProductAttention] =
      row<A, &A::scale, &A::causal, &A::window, &A::softcap, &A::has_mask>(attention_rule);
  t[&kSiluMul] = plain([](const Node&, Inputs x, const Rebuilding&) { return Arrays{silu_mul(x[0], x[1])}; });
  t[&kGeluTanhMul] =
      plain([](const Node&, Inputs x, const Rebuilding&) { return Arrays{gelu_tanh_mul(x[0], x[1])}; });
  t[&kQuantizedMatmul] =
      row<QuantizedMatmulParams, &QuantizedMatmulParams::weights, &QuantizedMatmulParams::exact>(
          quantized_matmul_rule);
  using Q = QuantizedParams;
  t[&kQuantizedEmbedding] =
      row<Q, &Q::format, &Q::rows, &Q::cols>([](const Node& node, Inputs x, const Rebuilding&) {
        return Arrays{quantized_embedding(matrix_of(node, x[0]), x[1])};
      });
  t[&kDequantize] = row<Q, &Q::format, &Q::rows, &Q::cols>([](const Node& node, Inputs x, const Rebuilding&) {
    return Arrays{dequantize(matrix_of(node, x[0]))};
  });
  t[&kPackedQuantize] =
      row<PackedParams, &PackedParams::format>([](const Node& node, Inputs x, const Rebuilding&) {
        return quantize(x[0], checked(node.params<PackedParams>().format));
      });
  t[&kPackedDequantize] = row<PackedParams, &PackedParams::format>(packed_dequantize_rule);
  t[&kPackedMatmul] = row<PackedParams, &PackedParams::format>(packed_matmul_rule);
  t[&kFakeQuantize] =
      row<PackedParams, &PackedParams::format>([](const Node& node, Inputs x, const Rebuilding&) {
        return Arrays{fake_quantize(x[0], checked(node.params<PackedParams>().format))};
      });
  t[&kGatedDelta] = plain([](const Node&, Inputs x, const Rebuilding&) {
    const auto [out, state] = gated_delta_update(x[0], x[1], x[2], x[3], x[4], x[5]);
    return Arrays{out, state};
  });
}

const Table& table() {
  static const Table table = [] {
    Table t;
    add_elementwise(t);
    add_shapes(t);
    add_along_axes(t);
    add_indexing(t);
    add_fast(t);
    t[&kCustomFunction] = {custom_rule};
    return t;
  }();
  return table;
}

const RuleRow& row_of(const OpInfo& op) {
  const auto it = table().find(&op);
  check(it != table().end(), ErrorCode::kUnsupported, op.name,
        "cannot be made again for other shapes, or from a file: compile without shapeless");
  return it->second;
}

/// The fewest inputs that the rule of an op reads.
size_t least_inputs(const OpInfo& op) {
  size_t n = op.args.empty() ? 0 : 1 + static_cast<size_t>(std::count(op.args.begin(), op.args.end(), ','));
  // Those whose last ones are optional.
  if (&op == &kRmsNorm || &op == &kLayerNorm || &op == &kRope || &op == &kConcatenate) n = 1;
  if (&op == &kScaledDotProductAttention) n = 3;
  if (&op == &kPackedDequantize) n = 2;
  if (&op == &kPackedMatmul) n = 5;
  if (&op == &kDepends) n = 1;
  return n;
}

class OnDevice {
 public:
  explicit OnDevice(Device device) : before_(default_device()) { set_default_device(device); }
  ~OnDevice() { set_default_device(before_); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  Device before_;
};

}  // namespace

std::vector<array> rebuild(const Node& node, std::span<const array> inputs, const Rebuilding& recorded) {
  const RuleRow& row = row_of(*node.op);
  check(inputs.size() >= least_inputs(*node.op), ErrorCode::kFormat, node.op->name, "has {} inputs",
        inputs.size());
  if (!row.spreads && !recorded.changed.empty())
    for (const array& input : inputs) check_kept(input, recorded, node.op->name);
  const OnDevice scope(node.stream.device);
  Arrays out = row.rule(node, inputs, recorded);
  check(out.size() == recorded.outputs.size(), ErrorCode::kFormat, node.op->name, "gives {} results, not {}",
        out.size(), recorded.outputs.size());
  for (size_t i = 0; i < out.size(); ++i)
    check(out[i].dtype() == recorded.outputs[i].dtype && out[i].ndim() == recorded.outputs[i].shape.size(),
          ErrorCode::kFormat, node.op->name, "gives {} of shape {} where {} of shape {} was recorded",
          name_of(out[i].dtype()), out[i].shape(), name_of(recorded.outputs[i].dtype),
          recorded.outputs[i].shape);
  return out;
}

const OpInfo* find_exported(std::string_view name) {
  static const std::unordered_map<std::string_view, const OpInfo*> names = [] {
    std::unordered_map<std::string_view, const OpInfo*> names;
    for (const auto& [op, row] : table())
      if (row.read)
        check(names.emplace(op->name, op).second, ErrorCode::kInternal, "export", "two ops are named {}",
              op->name);
    return names;
  }();
  const auto it = names.find(name);
  return it == names.end() ? nullptr : it->second;
}

std::string write_params(const Node& node) {
  const auto it = table().find(node.op);
  check(it != table().end() && it->second.write, ErrorCode::kUnsupported, "export_function",
        "the op '{}' cannot be written to a file", node.op->name);
  return it->second.write(node);
}

std::shared_ptr<Node> read_params(const OpInfo& op, std::string_view bytes) {
  return row_of(op).read(op, bytes);
}

}  // namespace uma
