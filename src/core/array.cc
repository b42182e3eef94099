#include "core/array.h"

#include <algorithm>
#include <cstring>

#include "core/eval.h"
#include "core/kernel.h"
#include "core/layout.h"
#include "core/profile.h"

namespace uma {

Node::Node(const OpInfo& op, Stream stream, std::vector<array>&& inputs)
    : op(&op), stream(stream), inputs(std::move(inputs)) {}

// Inputs are taken apart by a loop: recursion would overflow the stack on a long chain.
Node::~Node() {
  std::vector<array> doomed;
  const auto take = [&](Node& node) {
    for (array& input : node.inputs) {
      // Only an array that nobody else holds can pull its node down with it.
      if (input.tensor_.use_count() == 1 && input.tensor_->node && input.tensor_->node.use_count() == 1)
        doomed.push_back(std::move(input));
    }
    node.inputs.clear();
  };
  take(*this);
  while (!doomed.empty()) {
    const array last = std::move(doomed.back());
    doomed.pop_back();
    take(*last.tensor_->node);
  }
}

array array::make(Shape shape, DType dtype, std::shared_ptr<Node> node) {
  auto tensor = std::make_shared<Tensor>();
  tensor->size = num_elements(shape);
  tensor->shape = std::move(shape);
  tensor->dtype = dtype;
  for (const array& input : node->inputs)
    if (input.is_tracer()) {
      tensor->trace = input.tensor_->trace;
      break;
    }
  tensor->node = std::move(node);
  array made(std::move(tensor));
  if (Recording::any()) Recording::note(made);
  return made;
}

array array::view_or_make(Shape shape, DType dtype, std::shared_ptr<Node> node) {
  const bool now = node->op->view && !Recording::any() && !Profile::any() &&
                   std::all_of(node->inputs.begin(), node->inputs.end(),
                               [](const array& in) { return in.is_ready() && !in.is_tracer(); });
  array made = make(std::move(shape), dtype, std::move(node));
  if (!now) return made;
  Tensor& tensor = *made.tensor_;
  KernelArgs args(*tensor.node, std::span(&made, 1), false);
  if (tensor.node->op->view(args)) {
    tensor.node.reset();
    tensor.state.store(Tensor::State::ready, std::memory_order_release);
  }
  return made;
}

std::vector<array> array::make_many(std::vector<Node::Output> outputs, std::shared_ptr<Node> node) {
  std::vector<array> arrays;
  arrays.reserve(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    arrays.push_back(make(outputs[i].shape, outputs[i].dtype, node));
    arrays.back().tensor_->output = static_cast<int32_t>(i);
    outputs[i].tensor = arrays.back().tensor_;
  }
  node->siblings = std::move(outputs);
  return arrays;
}

array array::from_bytes(const void* values, int64_t count, Shape shape, DType dtype) {
  const int64_t size = num_elements(shape);
  check(size == count, ErrorCode::kShape, "array", "{} values do not fill shape {}", count, shape);
  const size_t bytes = static_cast<size_t>(count * size_of(dtype));
  auto buffer = Buffer::allocate(bytes, Device{});
  if (bytes) std::memcpy(buffer->data(), values, bytes);
  return from_buffer(std::move(buffer), 0, std::move(shape), dtype);
}

array array::from_buffer(std::shared_ptr<Buffer> buffer, int64_t offset, Shape shape, DType dtype) {
  const int64_t size = num_elements(shape);
  int64_t bytes = 0, end = 0;
  check(offset >= 0 && mul_fits(size, size_of(dtype), &bytes) && add_fits(offset, bytes, &end) &&
            static_cast<uint64_t>(end) <= buffer->bytes(),
        ErrorCode::kShape, "array", "shape {} of {} at byte {} does not fit a buffer of {} bytes", shape,
        name_of(dtype), offset, buffer->bytes());
  auto tensor = std::make_shared<Tensor>();
  tensor->size = size;
  tensor->strides = row_major_strides(shape);
  tensor->shape = std::move(shape);
  tensor->dtype = dtype;
  tensor->buffer = std::move(buffer);
  tensor->offset = offset;
  tensor->state.store(Tensor::State::ready, std::memory_order_release);
  return array(std::move(tensor));
}

array array::from_integer(int64_t value, DType dtype) {
  return from_scalar(value, dtype);
}
array array::from_real(double value, DType dtype) {
  return from_scalar(value, dtype);
}

template <class From>
array array::from_scalar(From value, DType dtype) {
  return dispatch_all(dtype, [&]<class T>() -> array {
    if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16> || std::is_same_v<T, complex64>)
      return from_value(T(static_cast<float>(value)));
    else
      return from_value(static_cast<T>(value));
  });
}

bool array::is_row_contiguous() const {
  return uma::is_row_contiguous(shape(), strides());
}

void array::eval() const {
  if (!is_ready()) uma::eval(*this);
}

void array::copy_to(void* out) const {
  eval();
  check(backend(buffer()->device().type).host_readable, ErrorCode::kDevice, "array",
        "values on the {} device cannot be read", name_of(buffer()->device().type));
  copy_strided(bytes(), strides(), static_cast<uint8_t*>(out), row_major_strides(shape()), shape(),
               size_of(dtype()));
}

array row_contiguous(const array& in) {
  if (in.is_row_contiguous()) return in;
  auto buffer = Buffer::allocate(static_cast<size_t>(in.nbytes()), Device{});
  copy_strided(in.bytes(), in.strides(), buffer->data(), row_major_strides(in.shape()), in.shape(),
               size_of(in.dtype()));
  return array::from_buffer(std::move(buffer), 0, in.shape(), in.dtype());
}

}  // namespace uma
