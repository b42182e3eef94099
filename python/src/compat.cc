// Names that say what this machine is, and MLX's names for machines that it is not.
#include <cmath>
#include <fstream>

#include "backend/cpu/isa/isa.h"
#include "base/thread_pool.h"
#include "bind.h"
#include "core/kernel.h"
#include "core/memory.h"

namespace uma::python {
namespace {

// The version of MLX whose API this is: programs ask for it.
constexpr const char* kApiVersion = "0.32.4";

int64_t memory_bytes() {
  std::ifstream info("/proc/meminfo");
  std::string word;
  int64_t kib = 0;
  info >> word >> kib;
  return kib * 1024;
}

nb::dict device_info(const nb::object&) {
  nb::dict out;
  out["device_name"] = "cpu";
  out["architecture"] = "x86_64";
  out["isa"] = std::string(cpu::to_string(cpu::current_isa()));
  out["threads"] = num_threads();
  out["memory_size"] = memory_bytes();
  return out;
}

[[noreturn]] void only_metal(const char* name) {
  fail(ErrorCode::kUnsupported, name, "is of Apple's Metal, which this machine has not");
}

[[noreturn]] void only_cuda(const char* name) {
  fail(ErrorCode::kUnsupported, name, "runs a kernel on an NVIDIA GPU, and this build has no CUDA backend");
}

}  // namespace

void bind_compat(Module& m) {
  m.attr("__version__") = kApiVersion;
  m.def("device_info", &device_info, "d"_a.none() = nb::none(), "What the device is, as a dict.");
  m.attr("ArrayLike") = m.attr("array");
  m.def(
      "get_array_buffer_size", [](const array& a) { return a.nbytes(); }, nb::arg("a"),
      "Bytes of an array's elements.");

  Module cuda = m.def_submodule("cuda", "NVIDIA GPUs.");
  cuda.def("is_available", [] { return has_backend(DeviceType::cuda); });
  Module metal =
      m.def_submodule("metal", "Apple GPUs: none here. The memory functions are those of uma.core.");
  metal.def("is_available", [] { return false; });
  static constexpr const char* kShared[] = {"clear_cache",      "get_active_memory", "get_cache_memory",
                                            "get_peak_memory",  "reset_peak_memory", "set_cache_limit",
                                            "set_memory_limit", "set_wired_limit",   "device_info"};
  for (const char* name : kShared) metal.attr(name) = m.attr(name);
  for (const char* name : {"start_capture", "stop_capture"})
    metal.def(name, [name](const nb::args&) { only_metal(name); });
  Module fast(nb::borrow<nb::module_>(m.attr("fast")));
  fast.def("metal_kernel", [](const nb::args&, const nb::kwargs&) { only_metal("metal_kernel"); });
  for (const char* name : {"cuda_kernel", "precompiled_cuda_kernel"})
    fast.def(name, [name](const nb::args&, const nb::kwargs&) { only_cuda(name); });
}

}  // namespace uma::python
