#pragma once
// The array: a small handle on a value that may not have been computed yet.
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/shape.h"
#include "core/device.h"
#include "core/memory.h"
#include "core/op.h"

namespace uma {

struct Event;
struct Tensor;

/// One run of a transformation (core/eval.h, Tracing). While it is alive, evaluation keeps the nodes of the
/// arrays that belong to it.
struct Trace {
  std::atomic<bool> alive{true};
  std::vector<std::weak_ptr<Tensor>> kept;  // evaluated and still with their nodes; under the planner's lock
};

/// What an array handle points to. Ops and kernels go through `array`; only core touches this.
struct Tensor {
  enum class State : uint8_t { lazy, scheduled, ready, failed };

  Shape shape;
  Strides strides;  // in elements; meaningful once ready
  DType dtype;
  int32_t output = 0;  // which output of the node
  int64_t size = 0;    // elements
  std::shared_ptr<Buffer> buffer;
  int64_t offset = 0;  // bytes into the buffer
  std::shared_ptr<Node> node;
  std::atomic<State> state{State::lazy};
  std::shared_ptr<Event> event;  // while scheduled or failed
  std::shared_ptr<Trace> trace;  // of the transformation that follows it
  uint64_t visit = 0;            // planner's mark, under its lock
  int64_t step = 0;              // its place in the plan, likewise
};

class array {
 public:
  /// A 0-d array.
  template <class T>
  requires std::is_arithmetic_v<T> || std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>
  explicit array(T value, DType dtype = dtype_of<T>)
      : array([&] {
          // 64 bits of either kind hold every source value, so two converters serve all pairs.
          if constexpr (std::is_integral_v<T>)
            return from_integer(static_cast<int64_t>(value), dtype);
          else
            return from_real(static_cast<double>(value), dtype);
        }()) {}

  /// Copies `values` (row-major). Throws Shape if their number is not the shape's.
  template <Element T>
  array(std::span<const T> values, Shape shape)
      : array(from_bytes(values.data(), static_cast<int64_t>(values.size()), std::move(shape), dtype_of<T>)) {
  }
  template <Element T>
  array(std::initializer_list<T> values, Shape shape)
      : array(
            from_bytes(values.begin(), static_cast<int64_t>(values.size()), std::move(shape), dtype_of<T>)) {}
  template <Element T>
  array(std::initializer_list<T> values) : array(values, Shape{static_cast<int64_t>(values.size())}) {}

  /// A row-major view of a buffer from `offset` bytes on; no copy. Throws Shape if it does not fit.
  static array from_buffer(std::shared_ptr<Buffer> buffer, int64_t offset, Shape shape, DType dtype);

  /// The result of an op. Used by ops/ and fast/ only, after they have checked everything. A view of what is
  /// ready costs nothing, so it is ready at once and no node is kept, unless something watches the graph.
  template <class P>
  static array make(Shape shape, DType dtype, const OpInfo& op, P params, std::vector<array> inputs,
                    Stream stream = default_stream()) {
    return view_or_make(std::move(shape), dtype,
                        std::make_shared<NodeWith<P>>(op, stream, std::move(inputs), std::move(params)));
  }
  static array make(Shape shape, DType dtype, const OpInfo& op, std::vector<array> inputs,
                    Stream stream = default_stream()) {
    return view_or_make(std::move(shape), dtype, std::make_shared<Node>(op, stream, std::move(inputs)));
  }
  /// The same, never at once.
  static array make(Shape shape, DType dtype, std::shared_ptr<Node> node);
  /// An op with several results.
  static std::vector<array> make_many(std::vector<Node::Output> outputs, std::shared_ptr<Node> node);

  const Shape& shape() const { return tensor_->shape; }
  /// Extent of an axis, which may be negative. Throws InvalidArgument.
  int64_t shape(int axis) const { return tensor_->shape[normalize_axis(axis, ndim(), "shape")]; }
  size_t ndim() const { return tensor_->shape.size(); }
  DType dtype() const { return tensor_->dtype; }
  int64_t size() const { return tensor_->size; }
  int64_t nbytes() const { return size() * size_of(dtype()); }

  /// Computes this array now, on the calling thread. Throws what its ops throw.
  void eval() const;
  bool is_ready() const { return tensor_->state.load(std::memory_order_acquire) == Tensor::State::ready; }

  /// The value of a 0-d or one-element array. Throws Shape otherwise, DType if T is another type.
  template <class T>
  T item() const {
    check(size() == 1, ErrorCode::kShape, "item", "needs an array of one element, not of shape {}",
          to_string(shape()));
    check(dtype() == dtype_of<T>, ErrorCode::kDType, "item", "the array is {}, not {}", name_of(dtype()),
          name_of(dtype_of<T>));
    T value;
    copy_to(&value);
    return value;
  }
  /// All elements in row-major order, copied. Throws DType if T is another type.
  template <class T>
  std::vector<T> to_vector() const {
    check(dtype() == dtype_of<T>, ErrorCode::kDType, "to_vector", "the array is {}, not {}", name_of(dtype()),
          name_of(dtype_of<T>));
    // char and not T: vector<bool> has no data().
    std::vector<T> out(static_cast<size_t>(size()));
    if constexpr (std::is_same_v<T, bool>) {
      std::vector<uint8_t> bytes(out.size());
      copy_to(bytes.data());
      out.assign(bytes.begin(), bytes.end());
    } else {
      copy_to(out.data());
    }
    return out;
  }

  // -- Below: for kernels and for readers of evaluated arrays; the array must be ready. --

  const Strides& strides() const { return tensor_->strides; }
  /// Address of the first element.
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(tensor_->buffer->data() + tensor_->offset);
  }
  template <class T>
  T* mutable_data() {
    return reinterpret_cast<T*>(tensor_->buffer->data() + tensor_->offset);
  }
  const uint8_t* bytes() const { return tensor_->buffer->data() + tensor_->offset; }
  bool is_row_contiguous() const;
  const std::shared_ptr<Buffer>& buffer() const { return tensor_->buffer; }
  int64_t offset() const { return tensor_->offset; }

  // -- For transformations. --

  const std::shared_ptr<Node>& node() const { return tensor_->node; }
  int output_index() const { return tensor_->output; }
  /// True while a transformation follows it: its node then outlives evaluation.
  bool is_tracer() const { return tensor_->trace && tensor_->trace->alive.load(std::memory_order_relaxed); }
  /// Identity of the value: equal for copies of one handle.
  uintptr_t id() const { return reinterpret_cast<uintptr_t>(tensor_.get()); }
  const std::shared_ptr<Tensor>& tensor() const { return tensor_; }
  explicit array(std::shared_ptr<Tensor> tensor) : tensor_(std::move(tensor)) {}

 private:
  friend struct Node;
  static array view_or_make(Shape shape, DType dtype, std::shared_ptr<Node> node);
  static array from_bytes(const void* values, int64_t count, Shape shape, DType dtype);
  template <class T>
  static array from_value(T value) {
    return from_bytes(&value, 1, Shape{}, dtype_of<T>);
  }
  static array from_integer(int64_t value, DType dtype);
  static array from_real(double value, DType dtype);
  template <class From>
  static array from_scalar(From value, DType dtype);
  void copy_to(void* out) const;

  std::shared_ptr<Tensor> tensor_;
};

}  // namespace uma
