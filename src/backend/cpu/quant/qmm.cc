#include "backend/cpu/quant/qmm.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/isa/isa.h"
#include "backend/cpu/quant/kernels.h"
#include "base/error.h"
#include "base/scratch.h"
#include "base/thread_pool.h"

namespace uma::cpu {
namespace {

constexpr std::string_view kOp = "quantized_matmul";

// Rows that share one unpacking of the weights: their quantized form stays within the last-level cache.
constexpr int64_t kRowBlock = 84 * kTileRows;
// Quantized activations up to this size stay in the second-level cache beside the weights.
constexpr int64_t kSecondLevelBytes = 384 << 10;
// Multiply-adds below which waking other threads costs more than it saves.
constexpr int64_t kSmallWork = 1 << 15;

const Kernels& kernels() {
  const Kernels* best = nullptr;
  switch (current_isa()) {
    case Isa::amx:
    case Isa::vnni:
      best = vnni_kernels();
      break;
    case Isa::avx512:
      best = avx512_kernels();
      break;
    case Isa::avx2:
      best = avx2_kernels();
      break;
    case Isa::generic:
      break;
  }
  return best ? *best : *generic_kernels();
}

struct Product {
  const Kernels& table;
  const float* x;
  int64_t m, k, ldx;
  std::span<const QuantMatrix> weights;
  std::span<float* const> out;
  std::span<const int64_t> ld_out;

  int64_t chunks() const { return (k + kChunk - 1) / kChunk; }
};

size_t index(QuantFormat format) {
  return static_cast<size_t>(format);
}

bool is_float(QuantFormat format) {
  return format <= QuantFormat::BF16;
}

// Splits the rows of all weights into `parts` runs of about equal bytes, aligned to `unit` rows, and calls
// body(weight, first row, rows) for those of `part`. Each thread so reads one stream in address order.
template <class Body>
void for_part(std::span<const QuantMatrix> weights, int64_t part, int64_t parts, int64_t unit,
              const Body& body) {
  int64_t total = 0;
  for (const QuantMatrix& w : weights) total += w.rows * row_bytes(w.format, w.cols);
  const int64_t begin = static_cast<int64_t>(static_cast<__int128>(total) * part / parts);
  const int64_t end = static_cast<int64_t>(static_cast<__int128>(total) * (part + 1) / parts);
  int64_t at = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const QuantMatrix& w = weights[i];
    const int64_t bytes = row_bytes(w.format, w.cols);
    if (bytes == 0) continue;
    const auto row_at = [&](int64_t byte) {
      const int64_t row = (std::max<int64_t>(byte - at, 0) + bytes - 1) / bytes;
      return std::min((row + unit - 1) / unit * unit, w.rows);
    };
    const int64_t first = row_at(begin), last = row_at(end);
    if (first < last) body(i, first, last - first);
    at += w.rows * bytes;
  }
}

int64_t rows_of(std::span<const QuantMatrix> weights) {
  int64_t rows = 0;
  for (const QuantMatrix& w : weights) rows += w.rows;
  return rows;
}

WeightRows rows_at(const QuantMatrix& w, int64_t first, int64_t rows) {
  const int64_t bytes = row_bytes(w.format, w.cols);
  return {w.data + first * bytes, bytes, rows, w.cols};
}

// Runs body(part, parts) on as many threads as the work is worth.
template <class Body>
void parallel_parts(int64_t work, const Body& body) {
  const int64_t parts = std::clamp<int64_t>(work / kSmallWork, 1, num_threads());
  parallel_for(parts, [&](int64_t part) { body(part, parts); });
}

// Quantizes rows [first, first + count), [chunk][row]; in parallel where it pays.
const ActChunk* quantize_rows(const Product& p, int64_t first, int64_t count) {
  static thread_local Scratch<ActChunk> scratch;
  ActChunk* acts = scratch.get(count * p.chunks());
  parallel_ranges(count, std::max<int64_t>(1, kSmallWork / (p.k + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) p.table.quantize(p.x + (first + i) * p.ldx, p.k, acts + i, count);
  });
  return acts;
}

// A few rows: each weight row is read once for up to four of them. Panels are faster from five on.
void direct_product(const Product& p) {
  const ActChunk* acts = quantize_rows(p, 0, p.m);
  parallel_parts(p.m * p.k * rows_of(p.weights), [&](int64_t part, int64_t parts) {
    for_part(p.weights, part, parts, 1, [&](size_t w, int64_t first, int64_t count) {
      const DirectKernel kernel = p.table.direct[index(p.weights[w].format)];
      float* out = p.out[w] + first;
      const int64_t ld = p.ld_out[w];
      const WeightRows rows = rows_at(p.weights[w], first, count);
      // More rows than that come here on a machine whose kernels have no panels.
      for (int64_t i = 0; i < p.m; i += kDirectRows)
        kernel(rows, acts + i, p.m, static_cast<int>(std::min<int64_t>(kDirectRows, p.m - i)), out + i * ld,
               ld);
    });
  });
}

// Panels that pass over one chunk of activations before the next chunk: what comes from the last-level cache
// is then read once for 128 weight rows, and their sums still fit the second level.
constexpr int kPanelsTogether = 4;

struct PanelScratch {
  Panel panel;
  float sums[kPanelsTogether][kRowBlock][kPanelRows];
};

// Asks for the weights that come after those in work, a little at every step, in the order of addresses.
class Prefetch {
 public:
  Prefetch(const uint8_t* data, int64_t bytes, int64_t steps)
      : at_(data), end_(data + bytes), step_((bytes / steps + 64) & -64) {}
  void step() {
    const uint8_t* until = end_ - at_ > step_ ? at_ + step_ : end_;
    for (; at_ < until; at_ += 64) __builtin_prefetch(at_, 0, 2);
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
  int64_t step_;
};

// Asks for the lines of a tile's output that comes next: rows lie pages apart, and a store that misses holds
// up those behind it.
void own_lines(const float* out, int64_t rows, int64_t ld) {
  for (int64_t i = 0; i < rows; ++i, out += ld)
    for (int64_t at = 0; at < kPanelRows; at += 16) __builtin_prefetch(out + at, 1, 3);
}

// Up to kPanelsTogether panels, `rows` weight rows from `first`, times m activation rows.
void panel_product(const Product& p, const ActChunk* acts, int64_t m, size_t w, int64_t first, int64_t rows,
                   PanelScratch& s, float* out) {
  const QuantMatrix& weight = p.weights[w];
  const QuantTraits& row = traits(weight.format);
  const UnpackKernel unpack = p.table.unpack[index(weight.format)];
  const TileKernel tile = p.table.tile[index(weight.format)];
  const int64_t bytes = row_bytes(weight.format, weight.cols), step = kChunk / row.block * row.block_bytes;
  const uint8_t* data = weight.data + first * bytes;
  const int64_t tiles = (m + kTileRows - 1) / kTileRows, chunks = p.chunks(), ld = p.ld_out[w];
  const int64_t panels = (rows + kPanelRows - 1) / kPanelRows;
  const int64_t ahead = std::min(rows, weight.rows - first - rows);
  Prefetch prefetch(data + rows * bytes, ahead * bytes, chunks * panels * tiles);
  for (int64_t c = 0; c < chunks; ++c) {
    const int groups = static_cast<int>(std::min<int64_t>(kGroups, (p.k - c * kChunk) / 32));
    for (int64_t n = 0; n < panels; ++n) {
      const int height = static_cast<int>(std::min<int64_t>(kPanelRows, rows - n * kPanelRows));
      unpack(data + n * kPanelRows * bytes + c * step, bytes, height, groups, &s.panel);
      // The last chunk goes straight to the output, where a whole panel does.
      const bool finish = c + 1 == chunks && height == kPanelRows;
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t from = m * t / tiles, to = m * (t + 1) / tiles;  // tiles of about equal height
        float(*sums)[kPanelRows] = s.sums[n] + from;
        tile(&s.panel, acts + c * m + from, groups, static_cast<int>(to - from), c ? sums : nullptr,
             finish ? out + from * ld + first + n * kPanelRows : sums[0], finish ? ld : kPanelRows);
        prefetch.step();
        if (finish) own_lines(out + to * ld + first + n * kPanelRows, std::min(m - to, to - from), ld);
      }
    }
  }
  if (const int64_t left = rows % kPanelRows)
    for (int64_t i = 0; i < m; ++i)
      std::memcpy(out + i * ld + first + rows - left, s.sums[panels - 1][i],
                  static_cast<size_t>(left) * sizeof(float));
}

// Many rows: weights are unpacked a panel at a time and meet all activation rows while in L1.
void panel_block(const Product& p, int64_t start, int64_t m) {
  const ActChunk* acts = quantize_rows(p, start, m);
  int64_t panels = 0;
  for (const QuantMatrix& w : p.weights) panels += (w.rows + kPanelRows - 1) / kPanelRows;
  // Few rows: reading is the work, in long runs. Many: runs short enough to even out the threads.
  const bool many = m * p.chunks() * static_cast<int64_t>(sizeof(ActChunk)) > kSecondLevelBytes;
  const int64_t together = many ? kPanelsTogether : 1;
  const int64_t threads = num_threads(), wanted = (panels + kPanelsTogether - 1) / kPanelsTogether;
  const int64_t tasks = m < 64 ? std::clamp<int64_t>(wanted, 1, threads * 4)
                               : std::min((wanted + threads - 1) / threads * threads, panels);
  parallel_for(tasks, [&](int64_t part) {
    static thread_local Scratch<PanelScratch> scratch;
    PanelScratch& s = *scratch.get(1);
    for_part(p.weights, part, tasks, kPanelRows, [&](size_t w, int64_t first, int64_t count) {
      const int64_t step = together * kPanelRows;
      for (int64_t r = first; r < first + count; r += step)
        panel_product(p, acts, m, w, r, std::min(step, first + count - r), s, p.out[w] + start * p.ld_out[w]);
    });
  });
}

void exact_product(const Product& p) {
  parallel_parts(p.m * p.k * rows_of(p.weights), [&](int64_t part, int64_t parts) {
    static thread_local Scratch<float> scratch;
    float* room = scratch.get(kExactScratch);
    for_part(p.weights, part, parts, 1, [&](size_t w, int64_t first, int64_t count) {
      p.table.exact[index(p.weights[w].format)](rows_at(p.weights[w], first, count), p.x, p.ldx, p.m,
                                                p.out[w] + first, p.ld_out[w], room);
    });
  });
}

void check_matrix(const QuantMatrix& w, std::string_view op) {
  const int32_t block = traits(w.format).block;
  check(w.rows >= 0 && w.cols >= 0, ErrorCode::kShape, op, "a weight of {} x {} has a negative size", w.rows,
        w.cols);
  check(w.cols % block == 0, ErrorCode::kInvalidArgument, op,
        "{} columns of a {} weight are no multiple of its block of {}", w.cols, traits(w.format).name, block);
}

void check_product(const Product& p) {
  check(p.m >= 0 && p.k >= 0, ErrorCode::kShape, kOp, "an input of {} x {} has a negative size", p.m, p.k);
  check(p.m <= 1 || p.ldx >= p.k, ErrorCode::kShape, kOp, "rows of {} inputs cannot lie {} apart", p.k,
        p.ldx);
  check(p.weights.size() == p.out.size() && p.weights.size() == p.ld_out.size(), ErrorCode::kInvalidArgument,
        kOp, "{} weights need as many outputs and leading dimensions, got {} and {}", p.weights.size(),
        p.out.size(), p.ld_out.size());
  for (size_t i = 0; i < p.weights.size(); ++i) {
    const QuantMatrix& w = p.weights[i];
    check_matrix(w, kOp);
    check(w.cols == p.k, ErrorCode::kInvalidArgument, kOp, "weight {} has {} columns, the input {}", i,
          w.cols, p.k);
    check(p.m <= 1 || p.ld_out[i] >= w.rows, ErrorCode::kShape, kOp, "rows of {} outputs cannot lie {} apart",
          w.rows, p.ld_out[i]);
  }
}

void fill_zero(const Product& p) {
  for (size_t w = 0; w < p.weights.size(); ++w)
    for (int64_t i = 0; i < p.m; ++i) std::fill_n(p.out[w] + i * p.ld_out[w], p.weights[w].rows, 0.0f);
}

// The weights that all take the same path.
void run(const Product& p, bool exact) {
  if (exact) return exact_product(p);
  const bool panels = std::all_of(p.weights.begin(), p.weights.end(), [&](const QuantMatrix& w) {
    return p.table.unpack[index(w.format)] != nullptr;
  });
  if (p.m <= kDirectRows || !panels) return direct_product(p);
  for (int64_t at = 0; at < p.m; at += kRowBlock) panel_block(p, at, std::min(kRowBlock, p.m - at));
}

template <class Index>
void decode_rows_of(const QuantMatrix& matrix, std::span<const Index> rows, float* out) {
  constexpr std::string_view kName = "decode_rows";
  check_matrix(matrix, kName);
  for (const Index row : rows)
    check(row >= 0 && row < matrix.rows, ErrorCode::kInvalidArgument, kName, "row {} is outside the {} rows",
          row, matrix.rows);
  const int64_t bytes = row_bytes(matrix.format, matrix.cols);
  parallel_ranges(static_cast<int64_t>(rows.size()), std::max<int64_t>(1, kSmallWork / (matrix.cols + 1)),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t i = begin; i < end; ++i)
                      decode_reference(matrix.format, matrix.data + rows[static_cast<size_t>(i)] * bytes,
                                       matrix.cols, out + i * matrix.cols);
                  });
}

}  // namespace

void quantized_matmul(const float* x, int64_t m, int64_t k, int64_t ldx, std::span<const QuantMatrix> weights,
                      std::span<float* const> out, std::span<const int64_t> ld_out, bool exact) {
  const Product p{kernels(), x, m, k, ldx, weights, out, ld_out};
  check_product(p);
  if (m == 0) return;
  if (k == 0) return fill_zero(p);
  // Neighbours of one kind share a pass; a mixed list is rare and runs kind by kind.
  for (size_t begin = 0; begin < weights.size();) {
    size_t end = begin + 1;
    while (end < weights.size() && is_float(weights[end].format) == is_float(weights[begin].format)) ++end;
    const size_t count = end - begin;
    const Product part{p.table,
                       x,
                       m,
                       k,
                       ldx,
                       weights.subspan(begin, count),
                       out.subspan(begin, count),
                       ld_out.subspan(begin, count)};
    run(part, exact || is_float(weights[begin].format));
    begin = end;
  }
}

void decode_rows(const QuantMatrix& matrix, std::span<const int64_t> rows, float* out) {
  decode_rows_of(matrix, rows, out);
}

void decode_rows(const QuantMatrix& matrix, std::span<const int32_t> rows, float* out) {
  decode_rows_of(matrix, rows, out);
}

void decode_matrix(const QuantMatrix& matrix, float* out) {
  check_matrix(matrix, "decode_matrix");
  const int64_t bytes = row_bytes(matrix.format, matrix.cols);
  parallel_ranges(
      matrix.rows, std::max<int64_t>(1, kSmallWork / (matrix.cols + 1)), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          decode_reference(matrix.format, matrix.data + i * bytes, matrix.cols, out + i * matrix.cols);
      });
}

}  // namespace uma::cpu
