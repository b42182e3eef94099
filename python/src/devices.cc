// Devices, streams, memory.
#include "base/thread_pool.h"
#include "bind.h"
#include "core/eval.h"
#include "core/kernel.h"
#include "core/memory.h"

namespace uma::python {
namespace {

/// `with mx.stream(s):` ops of the block run there.
class StreamContext {
 public:
  explicit StreamContext(StreamArg stream) : stream_(std::move(stream)) {}
  void enter() {
    before_ = default_device();
    set_default_device(device());
  }
  void exit() { set_default_device(before_); }

 private:
  Device device() const {
    if (stream_.index() == 0) return default_device();
    return stream_.index() == 1 ? std::get<Stream>(stream_).device : std::get<Device>(stream_);
  }
  StreamArg stream_;
  Device before_;
};

// MLX spells every accelerator `gpu`.
std::string_view shown(DeviceType type) {
  return type == DeviceType::cuda ? "gpu" : name_of(type);
}
std::string to_text(Device d) {
  return fmt::format("Device({}, {})", shown(d.type), d.index);
}

Device device_of(const std::variant<Device, DeviceType>& d) {
  return d.index() ? Device{std::get<DeviceType>(d), 0} : std::get<Device>(d);
}

}  // namespace

void bind_devices(Module& m) {
  nb::enum_<DeviceType>(m, "DeviceType", "Kinds of devices: cpu and gpu.")
      .value("cpu", DeviceType::cpu)
      .value("gpu", DeviceType::cuda)
      .export_values();
  nb::class_<Device>(m, "Device", "A place where ops run.")
      .def(
          "__init__",
          [](Device* self, DeviceType type, int index) {
            new (self) Device{type, index};
          },
          "type"_a, "index"_a = 0)
      .def_ro("type", &Device::type)
      .def("__repr__", &to_text)
      .def("__eq__",
           [](Device a, const nb::object& b) {
             if (nb::isinstance<Device>(b)) return nb::cast<Device>(b) == a;
             return nb::isinstance<DeviceType>(b) && nb::cast<DeviceType>(b) == a.type;
           })
      .def("__hash__", [](Device d) { return static_cast<int64_t>(d.type) * 1000 + d.index; });
  nb::implicitly_convertible<DeviceType, Device>();
  nb::class_<Stream>(m, "Stream", "A queue of work on a device.")
      .def_ro("device", &Stream::device)
      .def("__repr__", [](Stream s) { return fmt::format("Stream({}, {})", to_text(s.device), s.index); })
      .def(
          "__eq__",
          [](Stream a, const nb::object& b) { return nb::isinstance<Stream>(b) && nb::cast<Stream>(b) == a; })
      .def("__hash__", [](Stream s) { return static_cast<int64_t>(s.device.type) * 1000000 + s.index; });
  nb::class_<StreamContext>(m, "StreamContext", "Ops made inside it run on a stream or device.")
      .def(nb::init<StreamArg>(), "s"_a)
      .def("__enter__", &StreamContext::enter)
      .def("__exit__", [](StreamContext& s, const nb::args&) { s.exit(); });
  m.def(
      "stream", [](StreamArg s) { return StreamContext(std::move(s)); }, "s"_a.none(),
      "A context: ops made inside it run on this stream or device.");
  m.def(
      "default_device", [] { return default_device(); }, "The device of ops that name none.");
  m.def(
      "set_default_device",
      [](const std::variant<Device, DeviceType>& d) {
        const Device device = device_of(d);
        backend(device.type);  // throws where it is not installed
        set_default_device(device);
      },
      "device"_a);
  m.def(
      "default_stream",
      [](const std::variant<Device, DeviceType>& d) {
        return Stream{device_of(d), 0};
      },
      "device"_a, "The stream of a device's ops that name none.");
  m.def(
      "set_default_stream", [](Stream s) { set_default_device(s.device); }, "stream"_a);
  m.def(
      "new_stream",
      [](const std::variant<Device, DeviceType>& d) {
        static std::atomic<int> next{1};
        return Stream{device_of(d), next.fetch_add(1)};
      },
      "device"_a, "Another queue on a device; on the CPU all run on the calling thread.");
  m.attr("new_thread_local_stream") = m.attr("new_stream");
  m.attr("new_thread_unsafe_stream") = m.attr("new_stream");
  m.attr("ThreadLocalStream") = m.attr("Stream");
  m.def(
      "clear_streams", [] {}, "Lets go of streams; there is nothing to let go of on the CPU.");
  m.def(
      "is_available",
      [](const std::variant<Device, DeviceType>& d) { return has_backend(device_of(d).type); }, "device"_a);
  m.def(
      "device_count",
      [](const std::variant<Device, DeviceType>& d) { return has_backend(device_of(d).type) ? 1 : 0; },
      "device_type"_a);
  m.def(
      "synchronize",
      [](const StreamArg&) {
        nb::gil_scoped_release release;
        synchronize();
      },
      "stream"_a = nb::none(), "Waits until everything given to async_eval has run.");
  bind_memory(m);
}

void bind_memory(Module& m) {
  m.def("get_active_memory", &get_active_memory, "Bytes in live arrays.");
  m.def("get_peak_memory", &get_peak_memory,
        "The most bytes there were in live arrays since the last reset.");
  m.def("reset_peak_memory", &reset_peak_memory);
  m.def("get_cache_memory", &get_cache_memory, "Bytes kept for reuse.");
  m.def("clear_cache", &clear_cache, "Gives the cached bytes back to the system.");
  m.def("set_cache_limit", &set_cache_limit, "limit"_a,
        "Bytes to keep for reuse at most; returns the old limit.");
  m.def("set_memory_limit", &set_memory_limit, "limit"_a,
        "Bytes in live arrays at most; returns the old limit.");
  m.def("get_memory_limit", [] {
    const size_t limit = set_memory_limit(SIZE_MAX);
    set_memory_limit(limit);
    return limit;
  });
  m.def(
      "set_wired_limit", [](size_t) { return size_t{0}; }, "limit"_a,
      "Of no effect: memory is not wired here.");
}

}  // namespace uma::python
