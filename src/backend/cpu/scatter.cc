// Kernels of ops/scatter.h.
#include "ops/scatter.h"

#include <algorithm>
#include <cstring>

#include "base/thread_pool.h"
#include "core/kernel.h"
#include "core/layout.h"

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

/// Index arrays, row-major.
struct Indices {
  std::vector<array> held;
  std::vector<const int64_t*> data;
  int64_t count = 0;

  Indices(const KernelArgs& args, size_t first) {
    for (size_t i = first; i < args.num_inputs(); ++i) held.push_back(row_contiguous(args.in(i)));
    for (const array& a : held) data.push_back(a.data<int64_t>());
    count = held[0].size();
  }
  /// Element offset of the n-th position.
  int64_t offset(const Table& table, int64_t n, std::string_view op) const {
    int64_t at = 0;
    for (size_t i = 0; i < data.size(); ++i) {
      const int64_t given = data[i][n], extent = table.extents[i];
      const int64_t index = given < 0 ? given + extent : given;
      check(index >= 0 && index < extent, ErrorCode::kInvalidArgument, op,
            "index {} is out of range for an axis of {}", given, extent);
      at += index * table.strides[i];
    }
    return at;
  }
};

void gather_kernel(KernelArgs& args) {
  const auto& axes = args.params<GatherParams>().axes;
  array x = args.in(0);
  if (!Table(x.shape(), x.strides(), axes).is_block_contiguous()) x = row_contiguous(x);
  const Table table(x.shape(), x.strides(), axes);
  const Indices indices(args, 1);
  const int64_t item = size_of(x.dtype()), bytes = table.block * item;
  uint8_t* out = args.allocate().mutable_data<uint8_t>();
  // A row-major array whose indexed axes lie behind others has its block in pieces.
  const bool whole = table.is_block_contiguous();
  const Strides packed = row_major_strides(table.block_shape);
  parallel_ranges(indices.count, std::max<int64_t>(1, kGrainBytes / std::max<int64_t>(1, bytes)),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t n = begin; n < end; ++n) {
                      const uint8_t* from = x.bytes() + indices.offset(table, n, "gather") * item;
                      if (whole)
                        std::memcpy(out + n * bytes, from, static_cast<size_t>(bytes));
                      else
                        copy_strided(from, table.block_strides, out + n * bytes, packed, table.block_shape,
                                     item);
                    }
                  });
}

template <class T>
T combine(ScatterMode mode, T old, T value) {
  if constexpr (std::is_same_v<T, complex64>) {
    return mode == ScatterMode::add ? old + value : mode == ScatterMode::multiply ? old * value : value;
  } else {
    using A = accumulator_t<T>;
    const A a = static_cast<A>(old), b = static_cast<A>(value);
    switch (mode) {
      case ScatterMode::assign:
        return value;
      case ScatterMode::add:
        return static_cast<T>(a + b);
      case ScatterMode::multiply:
        return static_cast<T>(a * b);
      case ScatterMode::maximum:  // a NaN wins on either side
        return b > a || b != b ? value : old;
      case ScatterMode::minimum:
        break;
    }
    return b < a || b != b ? value : old;
  }
}

// One thread: updates may meet in one place, and their order must not depend on the threads.
void scatter_kernel(KernelArgs& args) {
  const auto& params = args.params<ScatterParams>();
  check(args.in(0).dtype() != DType::complex64 || params.mode <= ScatterMode::multiply, ErrorCode::kDType,
        "scatter", "has no order of complex64");
  const array updates = row_contiguous(args.in(1));
  const Indices indices(args, 2);
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
    if (table.block == 0) return;
    for (int64_t n = 0; n < indices.count; ++n) {
      T* base = out.mutable_data<T>() + indices.offset(table, n, "scatter");
      OuterWalk walk(block, 0);
      for (int64_t r = 0; r < rows; ++r, walk.next()) {
        T* to = base + walk.offset(0);
        for (int64_t i = 0; i < width; ++i, ++from) to[i * step] = combine(params.mode, to[i * step], *from);
      }
    }
  });
}

}  // namespace

const bool scatter_registered = register_kernel(kGather, DeviceType::cpu, gather_kernel) &&
                                register_kernel(kScatter, DeviceType::cpu, scatter_kernel);

}  // namespace uma::cpu
