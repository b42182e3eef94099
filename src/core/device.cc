#include "core/device.h"

#include <array>
#include <charconv>

#include "base/error.h"
#include "core/kernel.h"

namespace uma {
namespace {

constexpr std::array<std::string_view, kNumDeviceTypes> kNames{"cpu", "cuda", "null"};
thread_local Device current;

}  // namespace

std::string_view name_of(DeviceType type) {
  return kNames[static_cast<size_t>(type)];
}

Device device_from_name(std::string_view name) {
  const size_t colon = name.find(':');
  const std::string_view kind = name.substr(0, colon);
  int32_t index = 0;
  bool ok = true;
  if (colon != std::string_view::npos) {
    const std::string_view digits = name.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    ok = error == std::errc() && end == digits.data() + digits.size() && index >= 0;
  }
  for (int i = 0; ok && i < kNumDeviceTypes; ++i) {
    if (kNames[i] != kind) continue;
    const Device device{static_cast<DeviceType>(i), index};
    check(has_backend(device.type), ErrorCode::kDevice, "device", "this build has no backend for '{}'", kind);
    return device;
  }
  fail(ErrorCode::kInvalidArgument, "device", "'{}' names no device; known are cpu, cuda and null", name);
}

Device default_device() {
  return current;
}

void set_default_device(Device device) {
  backend(device.type);
  current = device;
}

}  // namespace uma
