#include "graph/rules.h"

#include <cmath>

#include "core/device.h"
#include "graph/extents.h"
#include "graph/row.h"
#include "ops/count.h"
#include "ops/registry.h"
#include "transforms/custom.h"

namespace uma::rules {
namespace {

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

Arrays conv_rule(const Node& node, Inputs x, const Rebuilding&) {
  return {conv_general(
      x[0], x[1],
      {.stride = node.params<ConvParams>().stride, .kernel_dilation = node.params<ConvParams>().dilation})};
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

Arrays arange_rule(const Node& node, Inputs, const Rebuilding& r) {
  const Signature& out = r.outputs[0];
  check_fixed(out.shape, r, "arange");
  check(out.shape.size() == 1 && out.dtype != DType::bool_ && out.dtype != DType::complex64,
        ErrorCode::kShape, "arange", "gives no {} of shape {}", name_of(out.dtype), out.shape);
  const auto& p = node.params<ArangeParams>();
  check(std::isfinite(p.start) && std::isfinite(p.step), ErrorCode::kInvalidArgument, "arange",
        "starts at {}, in steps of {}", p.start, p.step);
  return {array::make(out.shape, out.dtype, kArange, p, {})};
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
  return {scatter(x[0], {x.begin() + 2, x.end()}, x[1], p.axes, p.mode)};
}

// -- Of the transformations --

Arrays custom_rule(const Node& node, Inputs x, const Rebuilding&) {
  const auto& p = node.params<CustomParams>();
  std::vector<Node::Output> outputs;
  for (size_t i = p.inputs; i + p.inputs < x.size(); ++i) outputs.push_back({x[i].shape(), x[i].dtype(), {}});
  return array::make_many(std::move(outputs),
                          std::make_shared<NodeWith<CustomParams>>(kCustomFunction, default_stream(),
                                                                   Arrays(x.begin(), x.end()), p));
}

}  // namespace

void check_fixed(const Shape& shape, const Rebuilding& r, std::string_view op) {
  for (const int64_t extent : shape)
    for (const Extents& e : r.changed)
      check(extent != e.before || extent == 1, ErrorCode::kShape, op,
            "makes {} elements, which may be the extent {} of an argument that has {} now: record the "
            "function for "
            "it",
            extent, e.before, e.now);
}

void add_elementwise(Table& t) {
  for (const OpInfo* op : kOps)
    if (unary_function(*op) || binary_function(*op)) t.emplace(op, plain(elementwise, true));
  for (const OpInfo* op : {&kSelect, &kMakeComplex, &kStopGradient}) t[op] = plain(elementwise, true);
  t[&kAstype] = row<CastParams, &CastParams::dtype>(elementwise, true);
  t[&kMatmul] = plain(product, true);
  t[&kConv] = row<ConvParams, &ConvParams::stride, &ConvParams::dilation>(conv_rule);
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
                 }).takes(1, kAnyNumber);
  t[&kConcatenate] = row<AxisParams, &AxisParams::axis>([](const Node& node, Inputs x, const Rebuilding&) {
                       return Arrays{concatenate({x.begin(), x.end()}, node.params<AxisParams>().axis)};
                     }).takes(1, kAnyNumber);
  t[&kArange] = row<ArangeParams, &ArangeParams::start, &ArangeParams::step>(arange_rule);
  t[&kNumberOfElements] = row<CountParams, &CountParams::axes, &CountParams::dtype>(
      [](const Node& node, Inputs x, const Rebuilding&) {
        const auto& p = node.params<CountParams>();
        return Arrays{number_of_elements(x[0], p.axes, p.dtype)};
      });
}

void add_indexing(Table& t) {
  t[&kTake] = row<AxisParams, &AxisParams::axis>(indexed<&take>);
  t[&kTakeAlongAxis] = row<AxisParams, &AxisParams::axis>(indexed<&take_along_axis>);
  t[&kScatterAdd] = row<AxisParams, &AxisParams::axis>(updated<&scatter_add>);
  t[&kScatterAddAlongAxis] = row<AxisParams, &AxisParams::axis>(updated<&scatter_add_along_axis>);
  t[&kGather] = row<GatherParams, &GatherParams::axes>(gather_rule).takes(1, kAnyNumber);
  t[&kScatter] =
      row<ScatterParams, &ScatterParams::axes, &ScatterParams::mode>(scatter_rule).takes(2, kAnyNumber);
  t[&kSearchsorted] =
      row<SearchParams, &SearchParams::right>([](const Node& node, Inputs x, const Rebuilding&) {
        return Arrays{searchsorted(x[0], x[1], node.params<SearchParams>().right ? "right" : "left")};
      });
}

namespace {

Table all_rows() {
  Table t;
  for (const auto add :
       {add_elementwise, add_shapes, add_along_axes, add_random, add_indexing, add_linalg, add_fast})
    add(t);
  t[&kCustomFunction] = {custom_rule};
  for (auto& [op, row] : t)
    if (row.most == 0 && !op->args.empty())
      row.least = row.most = 1 + static_cast<size_t>(std::count(op->args.begin(), op->args.end(), ','));
  return t;
}

const Table& table() {
  static const Table table = all_rows();
  return table;
}

const Row& row_of(const OpInfo& op) {
  const auto it = table().find(&op);
  check(it != table().end(), ErrorCode::kUnsupported, op.name,
        "cannot be made again for other shapes, or from a file: compile without shapeless");
  return it->second;
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
}  // namespace uma::rules

namespace uma {

std::vector<array> rebuild(const Node& node, std::span<const array> inputs, const Rebuilding& recorded) {
  const rules::Row& row = rules::row_of(*node.op);
  check(inputs.size() >= row.least && inputs.size() <= row.most, ErrorCode::kFormat, node.op->name,
        "has {} inputs", inputs.size());
  if (!row.spreads && !recorded.changed.empty())
    for (const array& input : inputs) check_kept(input, recorded, node.op->name);
  const rules::OnDevice scope(node.stream.device);
  std::vector<array> out = row.rule(node, inputs, recorded);
  check(out.size() == recorded.outputs.size(), ErrorCode::kFormat, node.op->name, "gives {} results, not {}",
        out.size(), recorded.outputs.size());
  for (size_t i = 0; i < out.size(); ++i) {
    const Signature& was = recorded.outputs[i];
    const bool same_shape =
        recorded.changed.empty() ? out[i].shape() == was.shape : out[i].ndim() == was.shape.size();
    check(out[i].dtype() == was.dtype && same_shape, ErrorCode::kFormat, node.op->name,
          "gives {} of shape {} where {} of shape {} was recorded", name_of(out[i].dtype()), out[i].shape(),
          name_of(was.dtype), was.shape);
  }
  return out;
}

const OpInfo* find_exported(std::string_view name) {
  static const std::unordered_map<std::string_view, const OpInfo*> names = [] {
    std::unordered_map<std::string_view, const OpInfo*> names;
    for (const auto& [op, row] : rules::table())
      if (row.read)
        check(names.emplace(op->name, op).second, ErrorCode::kInternal, "export", "two ops are named {}",
              op->name);
    return names;
  }();
  const auto it = names.find(name);
  return it == names.end() ? nullptr : it->second;
}

void visit_params(const Node& node, params::Sink& sink) {
  const auto it = rules::table().find(node.op);
  check(it != rules::table().end() && it->second.visit, ErrorCode::kUnsupported, "export_function",
        "the op '{}' cannot be exported", node.op->name);
  it->second.visit(node, sink);
}

std::string write_params(const Node& node) {
  params::Writer out;
  visit_params(node, out);
  return out.take();
}

std::shared_ptr<Node> read_params(const OpInfo& op, std::string_view bytes) {
  return rules::row_of(op).read(op, bytes);
}

}  // namespace uma
