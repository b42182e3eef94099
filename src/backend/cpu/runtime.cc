#include "backend/cpu/runtime.h"

#include <sys/mman.h>

#include <cstdlib>

#include "backend/cpu/tiles.h"
#include "core/kernel.h"

namespace uma::cpu {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
// From here on a buffer is mapped by itself and asks for huge pages: fewer faults when it is new, fewer TLB
// misses when it is read.
constexpr size_t kLarge = size_t{4} << 20;

uint8_t* allocate(size_t bytes) {
  const bool large = bytes >= kLarge;
  const size_t alignment = large ? kHugePage : kBufferAlignment;
  void* data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (large && data) madvise(data, bytes, MADV_HUGEPAGE);
  return static_cast<uint8_t*>(data);
}

constexpr Backend kBackend{.type = DeviceType::cpu,
                           .name = "cpu",
                           .allocate = allocate,
                           .release = [](uint8_t* data, size_t) { std::free(data); },
                           .any_op = nullptr,
                           .host_readable = true,
                           .fused = fused_kernel,
                           .can_fuse = [](const Node& node) { return is_elementwise(*node.op); }};

}  // namespace

void install() {
  register_backend(kBackend);
}

}  // namespace uma::cpu
