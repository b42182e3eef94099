#pragma once
// Kernels and backends. A kernel registers itself in a table keyed by op and device; eval looks it up.
#include <functional>
#include <span>

#include "core/array.h"

namespace uma {

/// True if nobody but these `handles` holds the value, and its memory may be overwritten on the device.
bool is_held_only_by(const array& value, long handles, const Device& device);

/// What a kernel gets. Inputs are ready; outputs have shape and dtype, and no memory yet.
class KernelArgs {
 public:
  KernelArgs(Node& node, std::span<array> outputs, bool may_donate)
      : node_(node), outputs_(outputs), may_donate_(may_donate) {}

  size_t num_inputs() const { return node_.inputs.size(); }
  const array& in(size_t i) const { return node_.inputs[i]; }
  array& out(size_t i = 0) { return outputs_[i]; }
  size_t num_outputs() const { return outputs_.size(); }
  template <class P>
  const P& params() const {
    return node_.params<P>();
  }
  const Node& node() const { return node_; }

  /// Fresh row-major memory for an output.
  array& allocate(size_t i = 0);
  /// The memory of input `i`, when nobody else holds it and its elements lie as the output's would:
  /// row-major, same size in bytes. Otherwise fresh memory. True if it was taken.
  bool donate_or_allocate(size_t input, size_t output = 0);
  /// The same with the first input whose memory can be taken.
  bool donate_any_or_allocate(size_t output = 0);
  /// True if donate_or_allocate would take the input's memory whatever the layout of the output.
  bool is_donatable(size_t input) const;
  /// Makes an output a view of an input's memory. Strides in elements of the output, offset in bytes from
  /// the input's first element.
  void view(size_t input, Strides strides, int64_t byte_offset = 0, size_t output = 0);

 private:
  Node& node_;
  std::span<array> outputs_;
  bool donate(size_t input, size_t output);

  bool may_donate_;  // false while a transformation keeps the node: it will read the inputs again
};

using Kernel = void (*)(KernelArgs& args);
class FusedArgs;  // core/fusion.h
using FusedKernel = void (*)(FusedArgs& args);

/// Enters a kernel; the last line of each kernel file. Twice for one (op, device) is a bug of ours and
/// throws.
bool register_kernel(const OpInfo& op, DeviceType device, Kernel kernel);
/// The kernel, or nullptr.
Kernel find_kernel(const OpInfo& op, DeviceType device);

/// What a device must offer to core. Small, and every slot without a default is required.
struct Backend {
  DeviceType type;
  std::string_view name;
  /// Memory of at least `bytes`, aligned to kBufferAlignment; nullptr if there is none.
  uint8_t* (*allocate)(size_t bytes);
  void (*release)(uint8_t* data, size_t bytes);
  /// Run for every op without an entry of its own in the table; nullptr on a device that computes.
  Kernel any_op;
  /// True if data() of its buffers can be read by the host.
  bool host_readable;
  /// Runs a group of elementwise ops, each of which can_fuse; both nullptr on a device that runs them singly.
  FusedKernel fused = nullptr;
  bool (*can_fuse)(const Node& node) = nullptr;
};
void register_backend(const Backend& backend);
/// Throws Device where it is not installed.
const Backend& backend(DeviceType type);
bool has_backend(DeviceType type);

/// Makes `in` row-major on the host: itself, or a copy. Kernels use it for inputs in odd layouts.
array row_contiguous(const array& in);

}  // namespace uma
