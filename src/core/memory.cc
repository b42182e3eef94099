#include "core/memory.h"

#include <atomic>
#include <bit>
#include <limits>
#include <map>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "core/kernel.h"

namespace uma {
namespace {

// Sizes that differ by less than an eighth share a bucket, so that a KV cache or a batch that grows by a
// row finds its old memory again; the waste is below 12.5 %.
size_t bucket_of(size_t bytes) {
  if (bytes <= 4096) return (bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
  const size_t step = std::bit_floor(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

class Cache {
 public:
  uint8_t* take(DeviceType device, size_t capacity) {
    std::lock_guard lock(mutex_);
    const auto it = free_.find({device, capacity});
    if (it == free_.end() || it->second.empty()) return nullptr;
    uint8_t* data = it->second.back();
    it->second.pop_back();
    cached_ -= capacity;
    return data;
  }

  void give(DeviceType device, size_t capacity, uint8_t* data) {
    std::lock_guard lock(mutex_);
    if (capacity > limit_) return backend(device).release(data, capacity);
    trim_to(limit_ - capacity);
    free_[{device, capacity}].push_back(data);
    cached_ += capacity;
  }

  void trim(size_t bytes) {
    std::lock_guard lock(mutex_);
    trim_to(bytes);
  }
  size_t cached() {
    std::lock_guard lock(mutex_);
    return cached_;
  }
  size_t set_limit(size_t bytes) {
    std::lock_guard lock(mutex_);
    const size_t old = limit_;
    limit_ = bytes;
    trim_to(limit_);
    return old;
  }

 private:
  void trim_to(size_t bytes) {  // the largest go first: they cost least to make again per byte
    for (auto it = free_.rbegin(); it != free_.rend() && cached_ > bytes; ++it)
      while (!it->second.empty() && cached_ > bytes) {
        backend(it->first.device).release(it->second.back(), it->first.capacity);
        it->second.pop_back();
        cached_ -= it->first.capacity;
      }
  }

  struct Key {
    DeviceType device;
    size_t capacity;
    bool operator<(const Key& other) const {
      return capacity != other.capacity ? capacity < other.capacity : device < other.device;
    }
  };
  std::mutex mutex_;
  std::map<Key, std::vector<uint8_t*>> free_;
  size_t cached_ = 0;
  size_t limit_ = size_t{256} << 20;
};

// Never destroyed: buffers in static objects may outlive any static of ours.
Cache& cache() {
  static Cache* cache = new Cache;
  return *cache;
}

std::atomic<size_t> active{0};
std::atomic<size_t> peak{0};
std::atomic<size_t> limit{std::numeric_limits<size_t>::max()};

}  // namespace

std::shared_ptr<Buffer> Buffer::allocate(size_t bytes, Device device) {
  check(bytes <= std::numeric_limits<size_t>::max() / 4, ErrorCode::kLimit, "allocate",
        "{} bytes are out of reach", bytes);
  const Backend& target = backend(device.type);
  const size_t capacity = bucket_of(bytes == 0 ? 1 : bytes);
  const size_t before = active.fetch_add(capacity, std::memory_order_relaxed);
  const auto give_up = [&](std::string_view why) {
    active.fetch_sub(capacity, std::memory_order_relaxed);
    fail(ErrorCode::kLimit, "allocate", "{} bytes on {} {}; {} bytes are in use", bytes, target.name, why,
         before);
  };
  if (before + capacity > limit.load(std::memory_order_relaxed)) give_up("pass the memory limit");
  uint8_t* data = cache().take(device.type, capacity);
  if (!data) data = target.allocate(capacity);
  if (!data && target.host_readable) {  // what the cache keeps may be what is missing
    cache().trim(0);
    data = target.allocate(capacity);
    if (!data) give_up("are not to be had");
  }
  size_t seen = peak.load(std::memory_order_relaxed);
  while (seen < before + capacity && !peak.compare_exchange_weak(seen, before + capacity)) {
  }
  std::shared_ptr<Buffer> buffer(new Buffer);
  buffer->data_ = data;
  buffer->bytes_ = bytes;
  buffer->capacity_ = capacity;
  buffer->device_ = device;
  return buffer;
}

std::shared_ptr<Buffer> Buffer::view(const void* data, size_t bytes, std::shared_ptr<const void> owner) {
  std::shared_ptr<Buffer> buffer(new Buffer);
  // const is cast away in one place, here: writable() says no, so that no kernel writes to it.
  buffer->data_ = const_cast<uint8_t*>(static_cast<const uint8_t*>(data));
  buffer->bytes_ = bytes;
  buffer->owner_ = owner ? std::move(owner) : std::shared_ptr<const void>(data, [](const void*) {});
  return buffer;
}

Buffer::~Buffer() {
  if (owner_ || capacity_ == 0) return;
  active.fetch_sub(capacity_, std::memory_order_relaxed);
  if (data_) cache().give(device_.type, capacity_, data_);
}

size_t get_active_memory() {
  return active.load(std::memory_order_relaxed);
}
size_t get_peak_memory() {
  return peak.load(std::memory_order_relaxed);
}
size_t get_cache_memory() {
  return cache().cached();
}
void reset_peak_memory() {
  peak.store(active.load());
}
void clear_cache() {
  cache().trim(0);
}
size_t set_cache_limit(size_t bytes) {
  return cache().set_limit(bytes);
}
size_t set_memory_limit(size_t bytes) {
  return limit.exchange(bytes);
}

}  // namespace uma
