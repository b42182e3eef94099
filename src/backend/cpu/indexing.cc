// Kernels of ops/indexing.h.
#include "ops/indexing.h"

#include <atomic>
#include <cstring>

#include "base/thread_pool.h"
#include "core/kernel.h"
#include "core/layout.h"
#include "ops/functors.h"

namespace uma::cpu {
namespace {

constexpr int64_t kGrainBytes = 64 << 10;

bool shares_elements(const array& x) {
  for (size_t i = 0; i < x.ndim(); ++i)
    if (x.strides()[i] == 0 && x.shape()[i] > 1) return true;
  return false;
}

void slice_update_kernel(KernelArgs& args) {
  const array& update = args.in(1);
  const Shape& start = args.params<SliceUpdateParams>().start;
  const int64_t item = size_of(update.dtype());
  Tensor& out = *args.out().tensor();
  // Whatever its layout, the result has the same, unless elements share their memory (zeros() is one zero).
  if (args.is_donatable(0) && !shares_elements(args.in(0))) {
    args.view(0, args.in(0).strides());
  } else {
    args.allocate();
    copy_strided(args.in(0).bytes(), args.in(0).strides(), args.out().mutable_data<uint8_t>(), out.strides,
                 out.shape, item);
  }
  int64_t offset = 0;
  for (size_t i = 0; i < start.size(); ++i) offset += start[i] * out.strides[i];
  copy_strided(update.bytes(), update.strides(), args.out().mutable_data<uint8_t>() + offset * item,
               out.strides, update.shape(), item);
}

// An index in [0, extent), or an error; negative ones count from the end.
int64_t checked(int64_t index, int64_t extent, std::string_view op) {
  const int64_t at = index < 0 ? index + extent : index;
  check(at >= 0 && at < extent, ErrorCode::kInvalidArgument, op, "index {} is out of range for an axis of {}",
        index, extent);
  return at;
}

struct AxisSplit {
  int64_t outer = 1, extent = 1, inner = 1;
};
AxisSplit split_at_axis(const Shape& shape, int axis) {
  AxisSplit s;
  for (size_t i = 0; i < shape.size(); ++i)
    (static_cast<int>(i) < axis ? s.outer : static_cast<int>(i) == axis ? s.extent : s.inner) *= shape[i];
  return s;
}

/// f(o, i, line) for the lines of an (outer, n, ...) array, in parallel; each has `bytes`.
template <class F>
void for_lines(int64_t outer, int64_t n, int64_t bytes, F f) {
  parallel_ranges(outer * n, std::max<int64_t>(1, kGrainBytes / std::max<int64_t>(1, bytes)),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t line = begin, o = begin / n, i = begin % n; line < end; ++line) {
                      f(o, i, line);
                      if (++i == n) i = 0, ++o;
                    }
                  });
}

// f(data) of an index array: as_index() leaves int32 and int64.
template <class F>
void with_index(const array& indices, F f) {
  indices.dtype() == DType::int32 ? f(indices.data<int32_t>()) : f(indices.data<int64_t>());
}

void take_kernel(KernelArgs& args) {
  const array x = row_contiguous(args.in(0)), indices = row_contiguous(args.in(1));
  const AxisSplit s = split_at_axis(x.shape(), args.params<AxisParams>().axis);
  const int64_t item = size_of(x.dtype()), bytes = s.inner * item, n = indices.size();
  uint8_t* out = args.allocate().mutable_data<uint8_t>();
  with_index(indices, [&](auto* index) {
    const auto row = [=](int64_t o, int64_t i) { return o * s.extent + checked(index[i], s.extent, "take"); };
    if (s.inner == 1)
      return with_bits(item, [&]<class T>() {
        const T* from = reinterpret_cast<const T*>(x.bytes());
        T* to = reinterpret_cast<T*>(out);
        for_lines(s.outer, n, bytes, [=](int64_t o, int64_t i, int64_t at) { to[at] = from[row(o, i)]; });
      });
    for_lines(s.outer, n, bytes, [&](int64_t o, int64_t i, int64_t at) {
      std::memcpy(out + at * bytes, x.bytes() + row(o, i) * bytes, static_cast<size_t>(bytes));
    });
  });
}

void take_along_axis_kernel(KernelArgs& args) {
  const array x = row_contiguous(args.in(0)), indices = row_contiguous(args.in(1));
  const int axis = args.params<AxisParams>().axis;
  const AxisSplit s = split_at_axis(x.shape(), axis);
  const int64_t item = size_of(x.dtype());
  uint8_t* out = args.allocate().mutable_data<uint8_t>();
  // Lines of one element would cost more to begin than to go through: along the last axis, rows are lines.
  const bool rows = s.inner == 1;
  const int64_t lines = rows ? 1 : indices.shape(axis), width = rows ? indices.shape(axis) : s.inner;
  with_index(indices, [&](auto* index) {
    with_bits(item, [&]<class T>() {
      for_lines(s.outer, lines, width * item, [=, &x](int64_t o, int64_t, int64_t line) {
        const T* from = reinterpret_cast<const T*>(x.bytes()) + o * s.extent * s.inner;
        T* to = reinterpret_cast<T*>(out) + line * width;
        const auto* at = index + line * width;
        for (int64_t i = 0; i < width; ++i)
          to[i] = from[checked(at[i], s.extent, "take_along_axis") * s.inner + (rows ? 0 : i)];
      });
    });
  });
}

template <class T>
void accumulate(T& to, T value) {
  if constexpr (std::is_same_v<T, bool>)
    to = to || value;
  else if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>)
    to = T(static_cast<float>(to) + static_cast<float>(value));
  else if constexpr (std::is_same_v<T, complex64>)
    to += value;
  else
    to = functor::Add{}(to, value);
}

// One thread a slice before the axis: several updates may meet in one place, and their order must not depend
// on the threads.
void scatter_add_kernel(KernelArgs& args) {
  const bool along = args.node().op == &kScatterAddAlongAxis;
  const array indices = row_contiguous(args.in(1)), updates = row_contiguous(args.in(2));
  const int axis = args.params<AxisParams>().axis;
  const AxisSplit s = split_at_axis(args.in(0).shape(), axis);
  const int64_t n = along ? indices.shape(axis) : indices.size();
  const int64_t* index = indices.data<int64_t>();
  const Shape shape = args.in(0).shape();
  const int64_t item = size_of(args.in(0).dtype());
  const std::string_view name = args.node().op->name;
  args.allocate();
  copy_strided(args.in(0).bytes(), args.in(0).strides(), args.out().mutable_data<uint8_t>(),
               row_major_strides(shape), shape, item);
  dispatch_all(args.out().dtype(), [&]<class T>() {
    const int64_t grain = kGrainBytes / std::max<int64_t>(1, n * s.inner * item);
    parallel_ranges(s.outer, std::max<int64_t>(1, grain), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        T* const to = args.out().mutable_data<T>() + o * s.extent * s.inner;
        const T* from = updates.data<T>() + o * n * s.inner;
        for (int64_t r = 0; r < n; ++r, from += s.inner) {
          const int64_t* const at = along ? index + (o * n + r) * s.inner : index + r;
          const auto row = [&](int64_t i) { return to + checked(at[i], s.extent, name) * s.inner; };
          if (along)
            for (int64_t i = 0; i < s.inner; ++i) accumulate(row(i)[i], from[i]);
          else if (T* const all = s.inner ? row(0) : nullptr)
            for (int64_t i = 0; i < s.inner; ++i) accumulate(all[i], from[i]);
        }
      }
    });
  });
}

void concatenate_kernel(KernelArgs& args) {
  const auto axis = static_cast<size_t>(args.params<AxisParams>().axis);
  array& out = args.allocate();
  const int64_t item = size_of(out.dtype());
  int64_t at = 0;
  for (size_t i = 0; i < args.num_inputs(); ++i) {
    const array& x = args.in(i);
    copy_strided(x.bytes(), x.strides(), out.mutable_data<uint8_t>() + at * out.strides()[axis] * item,
                 out.strides(), x.shape(), item);
    at += x.shape()[axis];
  }
}

}  // namespace

const bool indexing_registered = register_kernel(kSliceUpdate, DeviceType::cpu, slice_update_kernel) &&
                                 register_kernel(kTake, DeviceType::cpu, take_kernel) &&
                                 register_kernel(kTakeAlongAxis, DeviceType::cpu, take_along_axis_kernel) &&
                                 register_kernel(kScatterAdd, DeviceType::cpu, scatter_add_kernel) &&
                                 register_kernel(kScatterAddAlongAxis, DeviceType::cpu, scatter_add_kernel) &&
                                 register_kernel(kConcatenate, DeviceType::cpu, concatenate_kernel);

}  // namespace uma::cpu
