#include "backend/cpu/gemm.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "backend/cpu/gemm_kernels.h"
#include "backend/cpu/quant/qmm.h"
#include "base/scratch.h"
#include "base/thread_pool.h"

namespace uma::cpu {
namespace {

// Terms of a sum between two visits to c: a panel of b, 16 or 32 columns wide, then stays in L1.
constexpr int64_t kDepth = 256;
// Elements of b that are packed at a time: 8 MB of f32, or 512 columns.
constexpr int64_t kPacked = 1 << 21;
// Of a task: 96 packed rows of a stay in L2 while panels of b pass over them.
constexpr int64_t kTaskRows = 96, kTaskColumns = 512, kSmallTask = 48 * 128;
// Multiply-adds, and elements to pack, below which another thread is not worth its waking.
constexpr int64_t kWork = 1 << 17, kPackWork = 1 << 14;
// Columns up to which rows of a are not worth packing.
constexpr int64_t kInPlace = 256;
// Rows of a beyond which b is worth packing.
constexpr int64_t kFewRows = 4;

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Tasks of `unit` items each, or more where the work of one is small.
template <class Body>
void parallel_items(int64_t items, int64_t work_of_one, int64_t worth, const Body& body) {
  const int64_t unit = std::max<int64_t>(1, worth / std::max<int64_t>(1, work_of_one));
  parallel_for(ceil_div(items, unit), [&](int64_t task) {
    for (int64_t i = task * unit; i < std::min(items, (task + 1) * unit); ++i) body(i);
  });
}

// Terms [at, at + depth) of row i of a matrix of windows, one beside the other.
void copy_windows(const GemmMatrix& a, int64_t i, int64_t at, int64_t depth, char* out) {
  const int64_t size = size_of(a.dtype);
  const char* row = static_cast<const char*>(a.data) + a.windows->rows.offset(i) * size;
  for (const int64_t end = at + depth; at < end;) {
    const int64_t run = std::min(end - at, a.windows->terms.run(at));
    std::memcpy(out, row + a.windows->terms.offset(at) * size, static_cast<size_t>(run * size));
    at += run;
    out += run * size;
  }
}

template <class T>
struct Product {
  const GemmKernels<T>& table;
  const GemmMatrix &a, &b;
  int64_t m, n, k;
  T* c;
  int64_t ld;

  // Whole rows of a are broadcast from where they lie, unless so many panels of b pass over them that packing
  // pays.
  bool in_place() const {
    return !a.windows && a.col == 1 &&
           a.dtype == (std::is_same_v<T, float> ? DType::float32 : DType::float64) && n <= kInPlace;
  }

  // Columns [col, col + cols) of c. Threads meet twice: when b is packed, and at the end.
  void columns(int64_t col, int64_t cols) const {
    const int64_t nr = table.cols, panels = ceil_div(cols, nr), depths = ceil_div(k, kDepth);
    static thread_local Scratch<T> scratch;
    T* packed = scratch.get(panels * nr * k);
    parallel_items(panels * depths, nr * std::min(k, kDepth), kPackWork, [&](int64_t i) {
      const int64_t first = i % panels * nr, at = i / panels * kDepth, depth = std::min(kDepth, k - at);
      table.pack_cols(b, col + first, std::min(nr, cols - first), at, depth,
                      packed + panels * nr * at + first * depth);
    });
    // Blocks of c that are tasks: smaller ones where there would be too few to keep all threads busy.
    int64_t high = kTaskRows / table.rows * table.rows, broad = kTaskColumns;
    const auto tasks = [&] { return ceil_div(m, high) * ceil_div(cols, broad); };
    while (tasks() < 4 * num_threads() && high * broad > kSmallTask)
      if (broad > 128)
        broad /= 2;
      else
        high = ceil_div(high / 2, table.rows) * table.rows;
    const int64_t tall = ceil_div(m, high);
    parallel_items(tasks(), std::min(m, high) * std::min(cols, broad) * k, kWork, [&](int64_t task) {
      const int64_t i = task % tall * high, j = task / tall * broad;
      for (int64_t at = 0; at < k; at += kDepth)
        block(i, std::min(m, i + high), col, j, std::min(cols, j + broad), at, std::min(kDepth, k - at),
              packed + panels * nr * at);
    });
  }

  void pack_rows(int64_t i, int64_t count, int64_t at, int64_t depth, T* out) const {
    if (!a.windows) return table.pack_rows(a, i, count, at, depth, out);
    static thread_local Scratch<T> scratch;
    T* lines = scratch.get(count * depth);
    for (int64_t r = 0; r < count; ++r)
      copy_windows(a, i + r, at, depth, reinterpret_cast<char*>(lines) + r * depth * size_of(a.dtype));
    table.pack_rows({lines, a.dtype, depth, 1}, 0, count, 0, depth, out);
  }

  // Rows [i0, i1) of c, columns [j0, j1) of those from col on, += over terms [at, at + depth).
  void block(int64_t i0, int64_t i1, int64_t col, int64_t j0, int64_t j1, int64_t at, int64_t depth,
             const T* packed_b) const {
    const int64_t mr = table.rows, nr = table.cols;
    const bool pack = !in_place();
    const T* from = static_cast<const T*>(a.data) + i0 * a.row + at;
    // From one row of a to the next, from one term to the next, from a panel's row to the next panel's.
    const int64_t row = pack ? 1 : a.row, step = pack ? mr : 1, panel = pack ? depth : a.row;
    if (pack) {
      static thread_local Scratch<T> scratch;
      T* packed_a = scratch.get(ceil_div(i1 - i0, mr) * mr * depth);
      for (int64_t i = i0; i < i1; i += mr)
        pack_rows(i, std::min(mr, i1 - i), at, depth, packed_a + (i - i0) * depth);
      from = packed_a;
    }
    for (int64_t j = j0; j < j1; j += nr)
      for (int64_t i = i0; i < i1; i += mr)
        table.multiply(from + (i - i0) * panel, row, step, packed_b + j * depth, depth, std::min(mr, i1 - i),
                       std::min(nr, j1 - j), c + i * ld + col + j, ld, at > 0);
  }

  void run() const {
    // Whole tasks' widths, so that every panel of a task is whole but the last.
    const int64_t at_once = std::clamp(kPacked / k / kTaskColumns, int64_t{1}, int64_t{8}) * kTaskColumns;
    for (int64_t col = 0; col < n; col += at_once) columns(col, std::min(at_once, n - col));
  }

  // A few rows times a matrix whose rows are whole: b is read once where it lies, each thread some of its
  // columns.
  void run_few() const {
    for (int64_t i = 0; i < m; ++i) {
      const T* row = row_of(i);
      parallel_ranges(n, std::max<int64_t>(64, kWork / (k + 1)), [&](int64_t begin, int64_t end) {
        GemmMatrix part = b;
        part.data = static_cast<const char*>(b.data) + begin * size_of(b.dtype);
        table.row_product(row, part, k, end - begin, c + i * ld + begin);
      });
    }
  }

  // Row i of a, one element beside the other.
  const T* row_of(int64_t i) const {
    static thread_local Scratch<T> scratch;
    T* out = scratch.get(k);
    dispatch_float(a.dtype, "matmul", [&]<class A>() {
      const A* from = static_cast<const A*>(a.data);
      for (int64_t l = 0; l < k; ++l)
        out[l] = static_cast<T>(a.windows ? from[a.windows->rows.offset(i) + a.windows->terms.offset(l)]
                                          : from[i * a.row + l * a.col]);
    });
    return out;
  }
};

// A few rows times a matrix whose columns are whole: products with weights as model files have them.
void run_few_transposed(const Product<float>& p) {
  std::vector<float> rows(static_cast<size_t>(p.m * p.k));
  for (int64_t i = 0; i < p.m; ++i) std::copy_n(p.row_of(i), p.k, rows.data() + i * p.k);
  const QuantFormat format = p.b.dtype == DType::float32   ? QuantFormat::F32
                             : p.b.dtype == DType::float16 ? QuantFormat::F16
                                                           : QuantFormat::BF16;
  const QuantMatrix weights{static_cast<const uint8_t*>(p.b.data), format, p.n, p.k};
  quantized_matmul(rows.data(), p.m, p.k, p.k, {&weights, 1}, {&p.c, 1}, {&p.ld, 1}, true);
}

template <class T>
void run(const GemmKernels<T>& table, const GemmMatrix& a, const GemmMatrix& b, int64_t m, int64_t n,
         int64_t k, T* c, int64_t ld) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (int64_t i = 0; i < m; ++i) std::fill_n(c + i * ld, n, T{0});
    return;
  }
  if (n == 1 && ld == 1 && m > 1 && !a.windows)
    return run(table, b.transposed(), a.transposed(), 1, m, k, c, m);
  const Product<T> p{table, a, b, m, n, k, c, ld};
  if (m > kFewRows) return p.run();
  if (b.col == 1) return p.run_few();
  if constexpr (std::is_same_v<T, float>)
    if (b.row == 1 && b.col == k) return run_few_transposed(p);
  p.run();
}

}  // namespace

void GemmBox::add_axis(int64_t extent, int64_t stride) {
  if (extent == 1) return;
  if (!axes_.empty() && axes_.back().stride == extent * stride)
    axes_.back() = {axes_.back().extent * extent, stride};
  else
    axes_.push_back({extent, stride});
}

int64_t GemmBox::offset(int64_t i) const {
  int64_t at = 0;
  for (size_t axis = axes_.size(); axis-- > 0; i /= axes_[axis].extent)
    at += i % axes_[axis].extent * axes_[axis].stride;
  return at;
}

int64_t GemmBox::run(int64_t i) const {
  if (axes_.empty() || axes_.back().stride != 1) return 1;
  return axes_.back().extent - i % axes_.back().extent;
}

void gemm(const GemmMatrix& a, const GemmMatrix& b, int64_t m, int64_t n, int64_t k, float* c, int64_t ld) {
  run(gemm_kernels_f32(), a, b, m, n, k, c, ld);
}

void gemm(const GemmMatrix& a, const GemmMatrix& b, int64_t m, int64_t n, int64_t k, double* c, int64_t ld) {
  run(gemm_kernels_f64(), a, b, m, n, k, c, ld);
}

}  // namespace uma::cpu
