// Attention: cuts the work into tiles (a block of query rows of one group of heads, a range of keys), runs
// them in parallel and puts the ranges of one block together. The cuts depend on shapes only, so the bits
// of the result do not depend on the number of threads.
#include "fast/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "backend/cpu/attention_tile.h"
#include "base/thread_pool.h"
#include "core/kernel.h"

namespace uma::cpu {
namespace {

// A range of keys shorter than this does not pay for putting the parts together.
constexpr int64_t kMinSplit = 256;
// Enough tiles to keep 16 cores busy to the end; more only cost.
constexpr int64_t kEnoughTiles = 64;
// Up to this many queries, as in decoding with guesses, each has blocks of its own, cut as if it came alone:
// so it gets the bits that it would get alone. More of them share the reading of keys.
constexpr int64_t kQueriesApart = 8;
// Multiply-adds below which waking another thread costs more than it brings (some 4 us).
constexpr int64_t kParallelWork = 200000;

struct Problem {
  array q, k, v;
  array* out;
  AttentionParams params;
  MaskView mask = {};
  int64_t mask_batch_stride = 0;
  const float* sinks = nullptr;  // one a head
  int64_t batch, heads, kv_heads, group, queries, keys, dim, value_dim;
  int64_t rows;            // of one group: queries * group
  int64_t unit;            // rows that are cut into blocks together: of one query, or all
  int64_t blocks_of_unit;  // of at most kTileRows rows
  int64_t row_blocks;      // of one group
  int64_t splits;          // most ranges of keys a block is cut into

  int64_t position() const { return keys - queries; }
  int64_t blocks() const { return batch * kv_heads * row_blocks; }
  bool queries_are_apart() const { return params.causal && queries <= kQueriesApart; }
};

/// One block of rows of one group.
struct Block {
  int64_t b, h;  // batch, key head
  int64_t first_row, rows;
  int64_t begin, end;  // keys that at least one row sees
};

// Rows read as they lie need neighbouring elements.
array with_contiguous_rows(const array& x) {
  return x.shape(-1) == 1 || x.strides().back() == 1 ? x : row_contiguous(x);
}

MaskView view_of_mask(const array& mask, const Problem& p, int64_t* batch_stride) {
  const int64_t full[4] = {p.batch, p.heads, p.queries, p.keys};
  int64_t strides[4] = {};
  const size_t missing = 4 - mask.ndim();
  for (size_t i = missing; i < 4; ++i)
    strides[i] = mask.shape()[i - missing] == full[i] && full[i] != 1 ? mask.strides()[i - missing] : 0;
  *batch_stride = strides[0];
  return {mask.bytes(), mask.dtype(), strides[1], strides[2], strides[3]};
}

Block block_of(const Problem& p, int64_t i) {
  Block block;
  // The last rows see the most keys: they go first, so that no thread is left with a long one at the end.
  const int64_t at = p.row_blocks - 1 - i % p.row_blocks;
  const int64_t in_unit = at % p.blocks_of_unit * kTileRows;
  block.first_row = at / p.blocks_of_unit * p.unit + in_unit;
  block.rows = std::min(kTileRows, p.unit - in_unit);
  block.h = i / p.row_blocks % p.kv_heads;
  block.b = i / p.row_blocks / p.kv_heads;
  block.begin = 0;
  block.end = p.keys;
  if (p.params.causal) {
    const int64_t first = p.position() + block.first_row / p.group;
    const int64_t last = p.position() + (block.first_row + block.rows - 1) / p.group;
    block.end = std::clamp<int64_t>(last + 1, 0, p.keys);
    if (p.params.window) block.begin = std::clamp<int64_t>(first + 1 - p.params.window, 0, block.end);
  }
  return block;
}

// Ranges that so many keys are cut into. Where queries are apart it depends on what one of them sees, and not
// on how many there are.
int64_t splits_of(const Problem& p, int64_t keys) {
  const int64_t tiles = p.queries_are_apart() ? p.kv_heads * p.blocks_of_unit : p.blocks();
  return std::clamp<int64_t>((keys + kMinSplit - 1) / kMinSplit, 1,
                             std::max<int64_t>(1, kEnoughTiles / tiles));
}
int64_t splits_of(const Problem& p, const Block& block) {
  return p.queries_are_apart() ? splits_of(p, block.end - block.begin) : p.splits;
}

// Copies the block's queries to (rows, dim), times the scale.
void gather_queries(const Problem& p, const Block& block, float* to) {
  const Strides& s = p.q.strides();
  dispatch_float(p.q.dtype(), "attention", [&]<class T>() {
    const T* base = p.q.data<T>() + block.b * s[0];
    for (int64_t r = 0; r < block.rows; ++r, to += p.dim) {
      const int64_t row = block.first_row + r;
      const T* from = base + (block.h * p.group + row % p.group) * s[1] + row / p.group * s[2];
      for (int64_t i = 0; i < p.dim; ++i) to[i] = static_cast<float>(from[i]) * p.params.scale;
    }
  });
}

/// What a row is multiplied with at the end, from its largest score and the sum of its weights.
float inverse_sum(float max, float sum, const float* sink) {
  if (!sink) return sum == 0 ? 0.0f : 1.0f / sum;
  if (sum == 0 || *sink <= max) return sum == 0 ? 0.0f : 1.0f / (sum + std::exp(*sink - max));
  const float shrink = std::exp(max - *sink);  // the sink is the largest score
  return shrink / (sum * shrink + 1);
}

// Divides by the sums and stores. A row that saw no key has sum 0 and out 0.
// out: rows * (value_dim + 2) floats, as run_tile leaves them.
void store_rows(const Problem& p, const Block& block, const float* out) {
  const float *max = out + block.rows * p.value_dim, *sum = max + block.rows;
  const Strides& s = p.out->strides();
  dispatch_float(p.out->dtype(), "attention", [&]<class T>() {
    T* base = p.out->mutable_data<T>() + block.b * s[0];
    for (int64_t r = 0; r < block.rows; ++r, out += p.value_dim) {
      const int64_t row = block.first_row + r;
      const int64_t head = block.h * p.group + row % p.group;
      T* to = base + head * s[1] + row / p.group * s[2];
      const float inverse = inverse_sum(max[r], sum[r], p.sinks ? p.sinks + head : nullptr);
      for (int64_t i = 0; i < p.value_dim; ++i) to[i] = static_cast<T>(static_cast<float>(out[i] * inverse));
    }
  });
}

KvRows rows_of(const array& x, int64_t b, int64_t h) {
  const Strides& s = x.strides();
  const int64_t at = b * s[0] + h * s[1];
  return {x.bytes() + at * size_of(x.dtype()), s[2], x.dtype()};
}

// out: rows * (value_dim + 2) floats: the values, then the maxima, then the sums.
void run_tile(const Problem& p, const Block& block, int64_t begin, int64_t end, float* queries, float* out) {
  gather_queries(p, block, queries);
  AttentionTile tile{.q = queries,
                     .rows = block.rows,
                     .first_row = block.first_row,
                     .group = p.group,
                     .dim = p.dim,
                     .value_dim = p.value_dim,
                     .k = rows_of(p.k, block.b, block.h),
                     .v = rows_of(p.v, block.b, block.h),
                     .begin = begin,
                     .end = end,
                     .position = p.position(),
                     .causal = p.params.causal,
                     .window = p.params.window,
                     .softcap = p.params.softcap,
                     .mask = p.mask,
                     .max = out + block.rows * p.value_dim,
                     .sum = out + block.rows * (p.value_dim + 1),
                     .out = out};
  if (p.mask.data) {
    const int64_t at = block.b * p.mask_batch_stride + block.h * p.group * p.mask.head_stride;
    tile.mask.data = static_cast<const uint8_t*>(p.mask.data) + at * size_of(p.mask.dtype);
  }
  attend_tile(tile);
}

// Puts the ranges of keys of a block together, in their order; the result is in the first one.
void merge(int64_t rows, int64_t dim, int64_t parts, int64_t part_size, float* out) {
  for (int64_t r = 0; r < rows; ++r) {
    const auto max_of = [&](int64_t i) { return out[i * part_size + rows * dim + r]; };
    float max = -std::numeric_limits<float>::infinity();
    for (int64_t i = 0; i < parts; ++i) max = std::max(max, max_of(i));
    float sum = 0;
    for (int64_t i = 0; i < parts; ++i) {
      const float* part = out + i * part_size;
      const float factor = max_of(i) == max ? 1.0f : std::exp(max_of(i) - max);
      sum += part[rows * (dim + 1) + r] * factor;
      for (int64_t c = 0; c < dim; ++c)
        out[r * dim + c] = (i == 0 ? 0.0f : out[r * dim + c]) + part[r * dim + c] * factor;
    }
    out[rows * dim + r] = max;
    out[rows * (dim + 1) + r] = sum;
  }
}

// Runs body(i) for i < n, on several threads if there is enough to do.
void for_each_tile(int64_t n, bool parallel, FunctionRef<void(int64_t)> body) {
  if (parallel) return parallel_for(n, body);
  for (int64_t i = 0; i < n; ++i) body(i);
}

float* thread_floats(size_t n) {
  thread_local std::vector<float> memory;
  if (memory.size() < n) memory.resize(n);
  return memory.data();
}

void run(const Problem& p) {
  const int64_t queries_size = kTileRows * p.dim;
  const int64_t part_size = std::min(kTileRows, p.rows) * (p.value_dim + 2);
  const double work = static_cast<double>(p.batch) * static_cast<double>(p.heads * p.queries) *
                      static_cast<double>(p.keys) * static_cast<double>(p.dim + p.value_dim) *
                      (p.params.causal && p.queries == p.keys ? 0.5 : 1.0);
  const bool parallel = work > kParallelWork;
  if (p.splits == 1) {
    return for_each_tile(p.blocks(), parallel, [&](int64_t i) {
      const Block block = block_of(p, i);
      float* room = thread_floats(static_cast<size_t>(queries_size + part_size));
      float* out = room + queries_size;
      run_tile(p, block, block.begin, block.end, room, out);
      store_rows(p, block, out);
    });
  }
  const std::unique_ptr<float[]> parts(new float[static_cast<size_t>(p.blocks() * p.splits * part_size)]);
  for_each_tile(p.blocks() * p.splits, parallel, [&](int64_t i) {
    const Block block = block_of(p, i / p.splits);
    const int64_t part = i % p.splits, splits = splits_of(p, block), length = block.end - block.begin;
    if (part >= splits) return;
    run_tile(p, block, block.begin + length * part / splits, block.begin + length * (part + 1) / splits,
             thread_floats(static_cast<size_t>(queries_size)), parts.get() + i * part_size);
  });
  for_each_tile(p.blocks(), p.blocks() * p.splits * part_size > kParallelWork / 2, [&](int64_t i) {
    const Block block = block_of(p, i);
    float* out = parts.get() + i * p.splits * part_size;
    merge(block.rows, p.value_dim, splits_of(p, block), part_size, out);
    store_rows(p, block, out);
  });
}

void attention_kernel(KernelArgs& args) {
  // (B, Hq, T, D) laid out as (B, T, Hq, D): the transpose and reshape that follow in a model are views.
  array& out = args.allocate();
  const int64_t heads = out.shape(1), queries = out.shape(2), value_dim = out.shape(3);
  out.tensor()->strides = {heads * queries * value_dim, value_dim, heads * value_dim, 1};
  if (out.size() == 0) return;

  Problem p{.q = with_contiguous_rows(args.in(0)),
            .k = with_contiguous_rows(args.in(1)),
            .v = with_contiguous_rows(args.in(2)),
            .out = &out,
            .params = args.params<AttentionParams>(),
            .batch = out.shape(0),
            .heads = heads,
            .queries = queries,
            .value_dim = value_dim};
  p.kv_heads = p.k.shape(1);
  p.group = p.heads / p.kv_heads;
  p.keys = p.k.shape(2);
  p.params.window = std::min(p.params.window, p.keys);  // a wider one hides nothing, and its sums overflow
  p.dim = p.q.shape(3);
  p.rows = p.queries * p.group;
  p.unit = p.queries_are_apart() ? p.group : p.rows;
  p.blocks_of_unit = (p.unit + kTileRows - 1) / kTileRows;
  p.row_blocks = p.rows / p.unit * p.blocks_of_unit;
  int64_t seen = p.keys;
  if (p.params.causal && p.params.window) seen = std::min(seen, p.params.window + p.queries);
  p.splits = splits_of(p, seen);
  if (p.params.has_mask) p.mask = view_of_mask(args.in(3), p, &p.mask_batch_stride);
  std::optional<array> sinks;
  if (p.params.has_sinks) {
    sinks = row_contiguous(args.in(args.num_inputs() - 1));
    p.sinks = sinks->data<float>();
  }
  run(p);
}

const bool registered = register_kernel(kScaledDotProductAttention, DeviceType::cpu, attention_kernel);

}  // namespace
}  // namespace uma::cpu
