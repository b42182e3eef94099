#include "backend/cpu/tiles.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/thread_pool.h"
#include "core/layout.h"

namespace uma::cpu {
namespace {

// Elements of a tile: a dozen of them in f32 fit L1 and L2 beside each other, and the call of a tile function
// is nothing beside its work.
constexpr int64_t kTile = 1024;
// Below this many elements waking another thread costs more than it saves; for a group, divided by its ops.
constexpr int64_t kGrain = 16384;

struct Row {
  TileLookup lookup;
  int simd;
};
std::unordered_map<const OpInfo*, Row>& rows() {
  static std::unordered_map<const OpInfo*, Row> table;
  return table;
}

// -- Reading an operand of any layout --

struct TileInput {
  const uint8_t* data;
  const Strides* strides;
  int64_t item;
};
struct TileOp {
  TileFn run;
  std::array<int32_t, kMaxOperands> operands;  // as in FusedOp
  size_t num_operands;
  int64_t item;
  uint8_t* out;  // nullptr: stays inside
};

enum class Reach : uint8_t { flat, constant, strided };

Reach reach_of(const Shape& shape, const Strides& strides) {
  bool constant = true;
  for (size_t d = 0; d < shape.size(); ++d) constant &= strides[d] == 0 || shape[d] == 1;
  if (constant) return Reach::constant;
  return is_row_contiguous(shape, strides) ? Reach::flat : Reach::strided;
}

/// Walks along one operand in row-major order of the shape.
class Reader {
 public:
  Reader(const Layout& layout, const TileInput& input, int64_t start)
      : input_(input),
        strides_{layout.shape.size() > 1 ? layout.strides[0].end()[-2] : 0, layout.strides[0].back()},
        columns_(layout.shape.back()),
        rows_(layout.shape.size() > 1 ? layout.shape.end()[-2] : 1),
        column_(start % columns_),
        row_(start / columns_ % rows_),
        block_(layout, start / columns_ / rows_, std::min<size_t>(2, layout.shape.size())) {}

  /// The next n elements: where they lie, or copied to `scratch`.
  const uint8_t* next(int64_t n, uint8_t* scratch) {
    if (strides_.column == 1 && column_ + n <= columns_) {
      const uint8_t* here = at();
      advance(n);
      return here;
    }
    for (int64_t done = 0; done < n;) {
      const int64_t left = n - done;
      const bool whole = column_ == 0 && left >= columns_;
      const int64_t rows = whole ? std::min(left / columns_, rows_ - row_) : 1;
      const int64_t columns = whole ? columns_ : std::min(left, columns_ - column_);
      copy_block(at(), strides_, scratch + done * input_.item, {columns, 1}, rows, columns, input_.item);
      advance(rows * columns);
      done += rows * columns;
    }
    return scratch;
  }

 private:
  const uint8_t* at() const {
    return input_.data + (block_.offset(0) + row_ * strides_.row + column_ * strides_.column) * input_.item;
  }
  // Whole rows, or what is left of one at most.
  void advance(int64_t n) {
    column_ += n;
    row_ += column_ / columns_;
    column_ %= columns_;
    if (row_ < rows_) return;
    row_ = 0;
    block_.next();
  }

  const TileInput& input_;
  BlockStrides strides_;
  int64_t columns_, rows_, column_, row_;
  OuterWalk block_;
};

// -- Running --

// Grows to what the largest group needs and stays: a tile must not cost an allocation.
uint8_t* scratch_of_thread(size_t bytes) {
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  thread_local std::unique_ptr<void, Free> memory;
  thread_local size_t size = 0;
  if (size < bytes) {
    bytes = (bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
    memory.reset(std::aligned_alloc(kBufferAlignment, bytes));
    size = memory ? bytes : 0;
    check(memory != nullptr, ErrorCode::kLimit, "eval", "{} bytes for tiles cannot be had", bytes);
  }
  return static_cast<uint8_t*>(memory.get());
}

class TileRun {
 public:
  TileRun(const Shape& shape, std::span<const TileInput> inputs, std::span<const TileOp> ops)
      : size_(num_elements(shape)),
        inputs_(inputs.begin(), inputs.end()),
        ops_(ops),
        reach_(inputs.size()),
        layouts_(inputs.size()),
        input_slot_(inputs.size(), -1),
        op_slot_(ops.size(), -1) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      reach_[i] = reach_of(shape, *inputs[i].strides);
      if (reach_[i] == Reach::strided) layouts_[i] = collapse(shape, std::span(inputs[i].strides, 1));
      if (reach_[i] == Reach::strided && crosses(layouts_[i])) straighten(i, shape);
      item_ = std::max(item_, inputs[i].item);
      if (reach_[i] != Reach::flat) input_slot_[i] = slots_++;
    }
    for (const TileOp& op : ops) item_ = std::max(item_, op.item);
    place();
  }

  void run() const {
    if (size_ == 0) return;
    const auto grain = std::max(kTile, kGrain / static_cast<int64_t>(ops_.size()));
    parallel_ranges(size_, grain, [&](int64_t begin, int64_t end) { run(begin, end); });
  }

 private:
  // True of a large transposed operand: a tile of one row would read a cache line an element.
  bool crosses(const Layout& layout) const {
    const Strides& strides = layout.strides[0];
    return size_ >= kGrain && std::abs(strides.back()) > 8 && std::count(strides.begin(), strides.end(), 1);
  }
  void straighten(size_t i, const Shape& shape) {
    TileInput& input = inputs_[i];
    straight_.push_back(Buffer::allocate(static_cast<size_t>(size_ * input.item), Device{}));
    copy_strided(input.data, *input.strides, straight_.back()->data(), row_major_strides(shape), shape,
                 input.item);
    input.data = straight_.back()->data();
    reach_[i] = Reach::flat;
  }

  // Which scratch slot each inner result takes; one that is read for the last time gives up its own.
  void place() {
    std::vector<size_t> last(ops_.size());
    for (size_t i = 0; i < ops_.size(); ++i)
      for (size_t k = 0; k < ops_[i].num_operands; ++k)
        if (ops_[i].operands[k] >= 0) last[static_cast<size_t>(ops_[i].operands[k])] = i;
    std::vector<int32_t> free;
    for (size_t i = 0; i < ops_.size(); ++i) {
      std::vector<int32_t> released;
      for (size_t k = 0; k < ops_[i].num_operands; ++k) {
        const int32_t from = ops_[i].operands[k];
        if (from < 0 || op_slot_[static_cast<size_t>(from)] < 0 || last[static_cast<size_t>(from)] != i)
          continue;
        const int32_t slot = op_slot_[static_cast<size_t>(from)];
        if (std::find(released.begin(), released.end(), slot) != released.end()) continue;
        released.push_back(slot);
        // The result may lie where an operand of its own size lay.
        if (!ops_[i].out && op_slot_[i] < 0 && ops_[static_cast<size_t>(from)].item == ops_[i].item)
          op_slot_[i] = slot;
        else
          free.push_back(slot);
      }
      if (ops_[i].out || op_slot_[i] >= 0) continue;
      // Not one of those that were freed just now by operands of another size: they are still being read.
      const auto fresh = std::find_if(free.begin(), free.end(), [&](int32_t slot) {
        return std::find(released.begin(), released.end(), slot) == released.end();
      });
      if (fresh != free.end()) {
        op_slot_[i] = *fresh;
        free.erase(fresh);
      } else {
        op_slot_[i] = slots_++;
      }
    }
  }

  void run(int64_t begin, int64_t end) const {
    const int64_t slot_bytes = item_ * kTile;
    uint8_t* const scratch =
        slots_ > 0 ? scratch_of_thread(static_cast<size_t>(slot_bytes * slots_)) : nullptr;
    SmallVector<const uint8_t*, 8> in(inputs_.size());
    SmallVector<uint8_t*, 8> made(ops_.size());
    std::vector<std::optional<Reader>> readers;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (reach_[i] == Reach::constant) {
        uint8_t* const to = scratch + input_slot_[i] * slot_bytes;
        copy_block(inputs_[i].data, {0, 0}, to, {0, 1}, 1, std::min(kTile, end - begin), inputs_[i].item);
        in[i] = to;
      } else if (reach_[i] == Reach::strided) {
        readers.resize(inputs_.size());
        readers[i].emplace(layouts_[i], inputs_[i], begin);
      }
    }
    for (int64_t at = begin; at < end; at += kTile) {
      const int64_t n = std::min(kTile, end - at);
      for (size_t i = 0; i < inputs_.size(); ++i) {
        if (reach_[i] == Reach::flat)
          in[i] = inputs_[i].data + at * inputs_[i].item;
        else if (reach_[i] == Reach::strided)
          in[i] = readers[i]->next(n, scratch + input_slot_[i] * slot_bytes);
      }
      for (size_t i = 0; i < ops_.size(); ++i) {
        const TileOp& op = ops_[i];
        const void* operands[kMaxOperands] = {};
        for (size_t k = 0; k < op.num_operands; ++k)
          operands[k] = op.operands[k] >= 0 ? made[static_cast<size_t>(op.operands[k])]
                                            : in[static_cast<size_t>(-1 - op.operands[k])];
        made[i] = op.out ? op.out + at * op.item : scratch + op_slot_[i] * slot_bytes;
        op.run(operands, made[i], n);
      }
    }
  }

  int64_t size_, item_ = 1;
  SmallVector<TileInput, 8> inputs_;
  std::span<const TileOp> ops_;
  std::vector<std::shared_ptr<Buffer>> straight_;
  SmallVector<Reach, 8> reach_;
  std::vector<Layout> layouts_;
  SmallVector<int32_t, 8> input_slot_, op_slot_;
  int32_t slots_ = 0;
};

// The usual small arrays, without the preparations of a TileRun.
bool run_one_tile(const Shape& shape, std::span<const TileInput> inputs, const TileOp& op) {
  const int64_t n = num_elements(shape);
  if (n > kTile) return false;
  alignas(kBufferAlignment) uint8_t splat[kMaxOperands][kTile * sizeof(uint64_t)];
  const void* operands[kMaxOperands] = {};
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Reach reach = reach_of(shape, *inputs[i].strides);
    if (reach == Reach::strided) return false;
    operands[i] = inputs[i].data;
    if (reach == Reach::constant && n > 1) {
      copy_block(inputs[i].data, {0, 0}, splat[i], {0, 1}, 1, n, inputs[i].item);
      operands[i] = splat[i];
    }
  }
  if (n > 0) op.run(operands, op.out, n);
  return true;
}

void elementwise_kernel(KernelArgs& args) {
  const size_t count = args.num_inputs();
  const TileFn function = tile_function(args.node());
  std::array<TileInput, kMaxOperands> inputs{};
  std::array<Strides, kMaxOperands> strides;
  TileOp op{function, {-1, -2, -3}, count, size_of(args.out().dtype()), nullptr};
  for (size_t i = 0; i < count; ++i) {
    // No handle on an input is kept: a second one would stop its memory from being taken.
    strides[i] = args.in(i).strides();
    inputs[i] = {args.in(i).bytes(), &strides[i], size_of(args.in(i).dtype())};
  }
  args.donate_any_or_allocate();
  op.out = args.out().mutable_data<uint8_t>();
  const std::span<const TileInput> read = std::span(inputs).first(count);
  if (!run_one_tile(args.out().shape(), read, op)) TileRun(args.out().shape(), read, std::span(&op, 1)).run();
}

}  // namespace

bool register_elementwise(const OpInfo& op, TileLookup lookup) {
  return rows().emplace(&op, Row{lookup, simd_row(op)}).second &&
         register_kernel(op, DeviceType::cpu, elementwise_kernel);
}

bool is_elementwise(const OpInfo& op) {
  return rows().contains(&op);
}

TileFn tile_function(const Node& node) {
  const Row& row = rows().at(node.op);
  if (row.simd >= 0)
    if (const TileFn vector = simd_tile_function(row.simd, node.inputs[0].dtype())) return vector;
  return row.lookup(node);
}

void fused_kernel(FusedArgs& args) {
  args.allocate();
  std::vector<TileInput> inputs;
  std::vector<TileOp> ops;
  for (size_t i = 0; i < args.num_inputs(); ++i) {
    const array& in = args.input(i);
    inputs.push_back({in.bytes(), &in.strides(), size_of(in.dtype())});
  }
  for (const FusedOp& op : args.ops())
    ops.push_back({tile_function(*op.node), op.operands, op.node->inputs.size(), size_of(op.out->dtype()),
                   op.stored ? op.out->mutable_data<uint8_t>() : nullptr});
  TileRun(args.shape(), inputs, ops).run();
}

}  // namespace uma::cpu
