#include "core/kernel.h"

#include <array>
#include <unordered_map>

#include "base/error.h"

namespace uma {
namespace {

using Row = std::array<Kernel, kNumDeviceTypes>;

// Filled while static objects are made, read-only after that: no lock.
std::unordered_map<const OpInfo*, Row>& table() {
  static std::unordered_map<const OpInfo*, Row> table;
  return table;
}

std::array<const Backend*, kNumDeviceTypes>& backends() {
  static std::array<const Backend*, kNumDeviceTypes> backends{};
  return backends;
}

}  // namespace

bool register_kernel(const OpInfo& op, DeviceType device, Kernel kernel) {
  Kernel& slot = table()[&op][static_cast<size_t>(device)];
  check(slot == nullptr, ErrorCode::kInternal, "register_kernel", "'{}' has two kernels on {}", op.name,
        name_of(device));
  slot = kernel;
  return true;
}

Kernel find_kernel(const OpInfo& op, DeviceType device) {
  const auto it = table().find(&op);
  Kernel kernel = it == table().end() ? nullptr : it->second[static_cast<size_t>(device)];
  return kernel ? kernel : backend(device).any_op;
}

void register_backend(const Backend& backend) {
  backends()[static_cast<size_t>(backend.type)] = &backend;
}

bool has_backend(DeviceType type) {
  return backends()[static_cast<size_t>(type)] != nullptr;
}

const Backend& backend(DeviceType type) {
  const Backend* found = backends()[static_cast<size_t>(type)];
  check(found != nullptr, ErrorCode::kDevice, "device", "the {} backend is not installed", name_of(type));
  return *found;
}

bool is_held_only_by(const array& value, long handles, const Device& device) {
  return value.tensor().use_count() == handles && value.buffer().use_count() == 1 &&
         value.buffer()->writable() && value.buffer()->device() == device;
}

array& KernelArgs::allocate(size_t i) {
  Tensor& out = *outputs_[i].tensor();
  out.buffer = Buffer::allocate(static_cast<size_t>(out.size * size_of(out.dtype)), node_.stream.device);
  out.offset = 0;
  out.strides = row_major_strides(out.shape);
  return outputs_[i];
}

bool KernelArgs::is_donatable(size_t i) const {
  return may_donate_ && is_held_only_by(in(i), 1, node_.stream.device);
}

bool KernelArgs::donate_or_allocate(size_t i, size_t o) {
  if (donate(i, o)) return true;
  allocate(o);
  return false;
}

bool KernelArgs::donate_any_or_allocate(size_t o) {
  for (size_t i = 0; i < num_inputs(); ++i)
    if (donate(i, o)) return true;
  allocate(o);
  return false;
}

bool KernelArgs::donate(size_t i, size_t o) {
  const array& input = in(i);
  Tensor& out = *outputs_[o].tensor();
  if (!is_donatable(i) || !input.is_row_contiguous() || input.nbytes() != out.size * size_of(out.dtype))
    return false;
  out.buffer = input.buffer();
  out.offset = input.offset();
  out.strides = row_major_strides(out.shape);
  return true;
}

void KernelArgs::view(size_t i, Strides strides, int64_t byte_offset, size_t o) {
  Tensor& out = *outputs_[o].tensor();
  out.buffer = in(i).buffer();
  out.offset = in(i).offset() + byte_offset;
  out.strides = std::move(strides);
}

}  // namespace uma
