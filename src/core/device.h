#pragma once
// Where an operation runs. An array belongs to no device; an op does.
#include <cstdint>
#include <string>
#include <string_view>

namespace uma {

enum class DeviceType : uint8_t {
  cpu,
  cuda,
  null,  // shapes, schedule and memory plan, without memory and without arithmetic
};
inline constexpr int kNumDeviceTypes = 3;

struct Device {
  DeviceType type = DeviceType::cpu;
  int32_t index = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

/// A queue of work on a device. Ops on one stream run in order.
struct Stream {
  Device device;
  int32_t index = 0;
  friend bool operator==(const Stream&, const Stream&) = default;
};

std::string_view name_of(DeviceType type);
/// "cpu", "cuda", "null", or "cuda:1". Throws InvalidArgument for other text, Device where no backend is
/// installed.
Device device_from_name(std::string_view name);

/// The device of ops that name none; a setting of the calling thread.
Device default_device();
void set_default_device(Device device);
inline Stream default_stream() {
  return {default_device(), 0};
}

}  // namespace uma
