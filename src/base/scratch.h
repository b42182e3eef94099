#pragma once
// Working memory that a thread keeps.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace uma {

/// A buffer on a cache line that grows and stays, for a `static thread_local`. What was in it is lost when it
/// grows.
template <class T>
class Scratch {
 public:
  T* get(int64_t count) {
    if (count > count_) {
      data_.reset();
      count_ = 0;
      data_.reset(
          static_cast<T*>(::operator new (static_cast<size_t>(count) * sizeof(T), std::align_val_t{64})));
      count_ = count;
    }
    return data_.get();
  }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete (p, std::align_val_t{64}); }
  };
  std::unique_ptr<T, Free> data_;
  int64_t count_ = 0;
};

}  // namespace uma
