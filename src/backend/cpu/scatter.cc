// Kernels of ops/scatter.h.
#include "ops/scatter.h"

#include <algorithm>
#include <cstring>

#include "base/thread_pool.h"
#include "core/kernel.h"
#include "core/layout.h"
#include "ops/functors.h"

namespace uma::cpu {
namespace {

constexpr int64_t kGrainBytes = 64 << 10;

/// An array as a table: indexed axes, and a block of the other axes behind each position.
struct Table {
  std::vector<int64_t> extents, strides;  // of the indexed axes, in elements
  Shape block_shape;
  Strides block_strides;
  int64_t block = 1;  // elements

  Table(const Shape& shape, const Strides& all, const std::vector<int>& axes) {
    for (const int axis : axes) {
      extents.push_back(shape[static_cast<size_t>(axis)]);
      strides.push_back(all[static_cast<size_t>(axis)]);
    }
    for (size_t i = 0; i < shape.size(); ++i)
      if (std::find(axes.begin(), axes.end(), static_cast<int>(i)) == axes.end()) {
        block_shape.push_back(shape[i]);
        block_strides.push_back(all[i]);
        block *= shape[i];
      }
  }
  bool is_block_contiguous() const { return uma::is_row_contiguous(block_shape, block_strides); }
};

constexpr int64_t kChunk = 1024;  // positions whose offsets are found at once

/// Index arrays of one shape and any layout: those that are the same along an axis are not written out.
class Indices {
 public:
  Indices(const KernelArgs& args, size_t first, std::string_view op) : op_(op) {
    std::vector<Strides> strides;
    for (size_t i = first; i < args.num_inputs(); ++i) {
      narrow_.push_back(args.in(i).dtype() == DType::int32);
      data_.push_back(args.in(i).bytes());
      strides.push_back(args.in(i).strides());
    }
    count_ = args.in(first).size();
    if (count_ > 0) layout_ = collapse(args.in(first).shape(), strides);
  }
  int64_t count() const { return count_; }

  /// Element offsets of the n <= kChunk positions from `begin` on.
  void offsets(const Table& table, int64_t begin, int64_t n, int64_t* out) const {
    const int64_t columns = layout_.shape.back();
    OuterWalk walk(layout_, begin / columns);
    int64_t column = begin % columns;
    std::fill_n(out, n, 0);
    for (int64_t m = 0; n > 0; n -= m, out += m, column = 0, walk.next()) {
      m = std::min(n, columns - column);
      for (size_t k = 0; k < data_.size(); ++k) {
        const int64_t step = layout_.strides[k].back(), first = walk.offset(k) + column * step;
        if (narrow_[k])
          add(reinterpret_cast<const int32_t*>(data_[k]) + first, step, m, k, table, out);
        else
          add(reinterpret_cast<const int64_t*>(data_[k]) + first, step, m, k, table, out);
      }
    }
  }

 private:
  template <class I>
  void add(const I* index, int64_t step, int64_t n, size_t axis, const Table& table, int64_t* out) const {
    const int64_t extent = table.extents[axis];
    const auto wrapped = [extent](int64_t given) { return given < 0 ? given + extent : given; };
    // Unsigned, as what is outside may be anything.
    const auto limit = static_cast<uint64_t>(extent), scale = static_cast<uint64_t>(table.strides[axis]);
    bool outside = false;
    const auto place = [&](int64_t i, int64_t given) {
      const auto at = static_cast<uint64_t>(wrapped(given));
      outside |= at >= limit;
      out[i] = static_cast<int64_t>(static_cast<uint64_t>(out[i]) + at * scale);
    };
    const int64_t first = *index;
    if (step == 0)
      for (int64_t i = 0; i < n; ++i) place(i, first);
    else
      for (int64_t i = 0; i < n; ++i) place(i, index[i * step]);
    for (int64_t i = 0; outside && i < n; ++i) {
      const int64_t given = index[i * step], at = wrapped(given);
      check(at >= 0 && at < extent, ErrorCode::kInvalidArgument, op_,
            "index {} is out of range for an axis of {}", given, extent);
    }
  }

  std::string_view op_;
  std::vector<const uint8_t*> data_;
  std::vector<bool> narrow_;  // int32, not int64
  Layout layout_;
  int64_t count_ = 0;
};

void gather_kernel(KernelArgs& args) {
  const auto& axes = args.params<GatherParams>().axes;
  array x = args.in(0);
  if (!Table(x.shape(), x.strides(), axes).is_block_contiguous()) x = row_contiguous(x);
  const Table table(x.shape(), x.strides(), axes);
  const Indices indices(args, 1, "gather");
  const int64_t item = size_of(x.dtype()), bytes = table.block * item;
  uint8_t* out = args.allocate().mutable_data<uint8_t>();
  // A row-major array whose indexed axes lie behind others has its block in pieces.
  const bool whole = table.is_block_contiguous();
  const Strides packed = row_major_strides(table.block_shape);
  const auto block = [&](const uint8_t* from, uint8_t* to) {
    if (whole)
      std::memcpy(to, from, static_cast<size_t>(bytes));
    else
      copy_strided(from, table.block_strides, to, packed, table.block_shape, item);
  };
  parallel_ranges(indices.count(), std::max<int64_t>(1, kGrainBytes / std::max<int64_t>(1, bytes)),
                  [&](int64_t begin, int64_t end) {
                    int64_t offsets[kChunk];
                    for (int64_t n = 0; begin < end; begin += n) {
                      n = std::min(kChunk, end - begin);
                      indices.offsets(table, begin, n, offsets);
                      if (table.block == 1)
                        with_bits(item, [&]<class T>() {
                          const T* from = reinterpret_cast<const T*>(x.bytes());
                          T* to = reinterpret_cast<T*>(out) + begin;
                          for (int64_t i = 0; i < n; ++i) to[i] = from[offsets[i]];
                        });
                      else
                        for (int64_t i = 0; i < n; ++i)
                          block(x.bytes() + offsets[i] * item, out + (begin + i) * bytes);
                    }
                  });
}

// f(combine), with what becomes of an element and its update.
template <class T, class F>
void with_mode(ScatterMode mode, F f) {
  using A = accumulator_t<T>;
  const auto wide = [](T v) { return static_cast<A>(v); };
  switch (mode) {
    case ScatterMode::assign:
      return f([](T, T value) { return value; });
    case ScatterMode::add:
      return f([=](T old, T value) { return static_cast<T>(functor::Add()(wide(old), wide(value))); });
    case ScatterMode::multiply:
      return f([=](T old, T value) { return static_cast<T>(functor::Multiply()(wide(old), wide(value))); });
    case ScatterMode::maximum:
    case ScatterMode::minimum:
      break;
  }
  if constexpr (!std::is_same_v<T, complex64>) {  // a NaN wins on either side
    if (mode == ScatterMode::maximum)
      return f([=](T old, T value) {
        return wide(value) > wide(old) || wide(value) != wide(value) ? value : old;
      });
    f([=](T old, T value) { return wide(value) < wide(old) || wide(value) != wide(value) ? value : old; });
  }
}

// One thread: updates may meet in one place, and their order must not depend on the threads.
void scatter_kernel(KernelArgs& args) {
  const auto& params = args.params<ScatterParams>();
  check(args.in(0).dtype() != DType::complex64 || params.mode <= ScatterMode::multiply, ErrorCode::kDType,
        "scatter", "has no order of complex64");
  const array updates = row_contiguous(args.in(1));
  const Indices indices(args, 2, "scatter");
  if (!args.is_donatable(0) || !args.in(0).is_row_contiguous()) {
    args.allocate();
    copy_strided(args.in(0).bytes(), args.in(0).strides(), args.out().mutable_data<uint8_t>(),
                 args.out().strides(), args.in(0).shape(), size_of(args.in(0).dtype()));
  } else {
    args.donate_or_allocate(0);
  }
  array& out = args.out();
  const Table table(out.shape(), out.strides(), params.axes);
  const Layout block = collapse(table.block_shape, std::vector<Strides>{table.block_strides});
  const int64_t rows = outer_size(block), width = block.shape.back(), step = block.strides[0].back();
  dispatch_all(out.dtype(), [&]<class T>() {
    const T* from = updates.data<T>();
    T* const to = out.mutable_data<T>();
    if (table.block == 0) return;
    with_mode<T>(params.mode, [&](auto combine) {
      int64_t offsets[kChunk];
      for (int64_t begin = 0, n = 0; begin < indices.count(); begin += n) {
        n = std::min(kChunk, indices.count() - begin);
        indices.offsets(table, begin, n, offsets);
        for (int64_t k = 0; k < n; ++k) {
          T* const base = to + offsets[k];
          if (table.block == 1) {
            *base = combine(*base, *from++);
            continue;
          }
          OuterWalk walk(block, 0);
          for (int64_t r = 0; r < rows; ++r, walk.next(), from += width) {
            T* const row = base + walk.offset(0);
            for (int64_t i = 0; i < width; ++i) row[i * step] = combine(row[i * step], from[i]);
          }
        }
      }
    });
  });
}

}  // namespace

const bool scatter_registered = register_kernel(kGather, DeviceType::cpu, gather_kernel) &&
                                register_kernel(kScatter, DeviceType::cpu, scatter_kernel);

}  // namespace uma::cpu
