#include "fast/quantized.h"

#include <algorithm>

#include "ops/cast.h"
#include "ops/indexing.h"
#include "ops/matmul.h"
#include "ops/shape.h"
#include "transforms/fallback.h"

namespace uma {

void check_matrix(const QuantizedMatrix& w, std::string_view op) {
  const QuantTraits& format = traits(w.format);
  check(w.rows >= 0 && w.cols > 0 && w.cols % format.block == 0, ErrorCode::kInvalidArgument, op,
        "a {} matrix of {} x {} is not possible: rows hold whole blocks of {}", format.name, w.rows, w.cols,
        format.block);
  check(w.data.dtype() == DType::uint8, ErrorCode::kDType, op, "takes weights as uint8 bytes, not {}",
        name_of(w.data.dtype()));
  const Shape expected{w.rows, row_bytes(w.format, w.cols)};
  check(w.data.shape() == expected, ErrorCode::kShape, op,
        "{} weights of {} x {} are bytes of shape {}, not {}", format.name, w.rows, w.cols, expected,
        w.data.shape());
}

namespace {

void check_input(const array& x, const QuantizedMatrix& w) {
  constexpr std::string_view kName = "quantized_matmul";
  check(x.ndim() >= 1 && x.shape(-1) == w.cols, ErrorCode::kShape, kName,
        "x of shape {} does not fit a matrix of {} x {}", x.shape(), w.rows, w.cols);
  check(is_floating(x.dtype()) && x.dtype() != DType::float64, ErrorCode::kDType, kName,
        "takes float32, float16 or bfloat16, not {}", name_of(x.dtype()));
}

Shape result_shape(const array& x, int64_t rows) {
  Shape shape(x.shape());
  shape.back() = rows;
  return shape;
}

}  // namespace

std::vector<array> quantized_matmul(const array& x, std::span<const QuantizedMatrix> ws, bool exact) {
  check(!ws.empty(), ErrorCode::kInvalidArgument, "quantized_matmul", "needs at least one matrix");
  QuantizedMatmulParams params{{}, exact};
  std::vector<array> inputs{x};
  std::vector<Node::Output> outputs;
  for (const QuantizedMatrix& w : ws) {
    check_matrix(w, "quantized_matmul");
    check_input(x, w);
    params.weights.push_back({w.format, w.rows, w.cols});
    inputs.push_back(w.data);
    outputs.push_back({result_shape(x, w.rows), DType::float32, {}});
  }
  auto node = std::make_shared<NodeWith<QuantizedMatmulParams>>(kQuantizedMatmul, default_stream(),
                                                                std::move(inputs), std::move(params));
  if (outputs.size() == 1) return {array::make(outputs[0].shape, DType::float32, std::move(node))};
  return array::make_many(std::move(outputs), std::move(node));
}

array quantized_matmul(const array& x, const QuantizedMatrix& w, bool exact) {
  return quantized_matmul(x, std::span<const QuantizedMatrix>(&w, 1), exact)[0];
}

array quantized_embedding(const QuantizedMatrix& w, const array& ids) {
  check_matrix(w, "quantized_embedding");
  check(ids.dtype() == DType::int32, ErrorCode::kDType, "quantized_embedding", "takes int32 ids, not {}",
        name_of(ids.dtype()));
  Shape shape(ids.shape());
  shape.push_back(w.cols);
  return array::make(std::move(shape), DType::float32, kQuantizedEmbedding,
                     QuantizedParams{w.format, w.rows, w.cols}, {w.data, ids});
}

array dequantize(const QuantizedMatrix& w) {
  check_matrix(w, "dequantize");
  return array::make({w.rows, w.cols}, DType::float32, kDequantize, QuantizedParams{w.format, w.rows, w.cols},
                     {w.data});
}

std::vector<array> quantized_matmul_fallback(const Node& node, std::span<const array> inputs) {
  const auto& params = node.params<QuantizedMatmulParams>();
  const array x = astype(inputs[0], DType::float32);
  std::vector<array> out;
  for (size_t i = 0; i < params.weights.size(); ++i) {
    const auto& w = params.weights[i];
    const array full = dequantize({inputs[i + 1], w.format, w.rows, w.cols});
    out.push_back(matmul(x, swapaxes(full, 0, 1)));
  }
  return out;
}

std::vector<array> quantized_embedding_fallback(const Node& node, std::span<const array> inputs) {
  const auto& p = node.params<QuantizedParams>();
  // take() counts negative ids from the end; here they are errors, as in the kernel.
  for (const int32_t id : inputs[1].to_vector<int32_t>())
    check(id >= 0 && id < p.rows, ErrorCode::kInvalidArgument, "quantized_embedding",
          "id {} is outside [0, {})", id, p.rows);
  return {take(dequantize({inputs[0], p.format, p.rows, p.cols}), inputs[1], 0)};
}

// No composition of ops: the reference decoder, on the host.
std::vector<array> dequantize_fallback(const Node& node, std::span<const array> inputs) {
  const auto& p = node.params<QuantizedParams>();
  const std::vector<uint8_t> bytes = inputs[0].to_vector<uint8_t>();
  std::vector<float> out(static_cast<size_t>(p.rows * p.cols));
  decode_reference(p.format, bytes.data(), p.rows * p.cols, out.data());
  return {array(std::span<const float>(out), {p.rows, p.cols})};
}

std::pair<std::vector<array>, std::vector<int>> quantized_matmul_vmap(const Node& node,
                                                                      std::span<const array> inputs,
                                                                      std::span<const int> axes) {
  if (std::any_of(axes.begin() + 1, axes.end(), [](int axis) { return axis >= 0; }))
    return fallback_vmap(node, inputs, axes);
  const auto& params = node.params<QuantizedMatmulParams>();
  std::vector<QuantizedMatrix> ws;
  for (size_t i = 0; i < params.weights.size(); ++i) {
    const auto& w = params.weights[i];
    ws.push_back({inputs[i + 1], w.format, w.rows, w.cols});
  }
  return {quantized_matmul(moveaxis(inputs[0], axes[0], 0), ws, params.exact),
          std::vector<int>(ws.size(), 0)};
}

std::pair<std::vector<array>, std::vector<int>> quantized_embedding_vmap(const Node& node,
                                                                         std::span<const array> inputs,
                                                                         std::span<const int> axes) {
  check(axes[0] < 0, ErrorCode::kUnsupported, "quantized_embedding", "has no vmap over the weights");
  const auto& p = node.params<QuantizedParams>();
  return {{quantized_embedding({inputs[0], p.format, p.rows, p.cols}, moveaxis(inputs[1], axes[1], 0))}, {0}};
}

}  // namespace uma
