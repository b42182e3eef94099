#pragma once
// Memory of arrays: counted, cached by size, aligned, and sometimes somebody else's.
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/device.h"

namespace uma {

/// Alignment of every buffer that we allocate: a cache line, and a full AVX-512 register.
inline constexpr size_t kBufferAlignment = 64;

class Buffer {
 public:
  /// A fresh buffer of at least `bytes`, from the cache where it has one. Contents are undefined.
  /// Throws Limit when it would pass memory_limit(), or when the system has none left.
  static std::shared_ptr<Buffer> allocate(size_t bytes, Device device);

  /// Memory of someone else, kept alive by `owner`: a mapped file, NumPy, DLPack. Never donated, never
  /// cached.
  static std::shared_ptr<Buffer> view(const void* data, size_t bytes, std::shared_ptr<const void> owner);

  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  /// Ours, so that a kernel may write its result here once nobody else holds it.
  bool writable() const { return owner_ == nullptr; }

 private:
  Buffer() = default;
  uint8_t* data_ = nullptr;
  size_t bytes_ = 0;
  size_t capacity_ = 0;
  Device device_;
  std::shared_ptr<const void> owner_;
};

/// Bytes in live arrays, the most there ever were (since reset), and bytes kept for reuse.
size_t get_active_memory();
size_t get_peak_memory();
size_t get_cache_memory();
void reset_peak_memory();
/// Gives the cached bytes back to the system.
void clear_cache();
/// Limits in bytes, as in MLX: both return the old one. The cache starts with 256 MiB, memory without a
/// limit.
size_t set_cache_limit(size_t bytes);
size_t set_memory_limit(size_t bytes);

}  // namespace uma
