#pragma once
// Keys and values of prompts that were read before, for prompts that begin alike. One tenant never sees
// what another's prompt left, not even by its speed.
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/model.h"

namespace uma {

class PrefixCache {
 public:
  /// block: prompts are cut at multiples of it, so only there does a hit give the bits of a run without one.
  PrefixCache(int64_t block, int64_t max_bytes) : block_(block), max_bytes_(max_bytes) {}

  struct Hit {
    std::unique_ptr<Cache> cache;  // nullptr: nothing was found
    int64_t tokens = 0;            // a multiple of the block, and less than the prompt
  };
  /// The longest beginning of the prompt that this tenant has left.
  Hit find(const std::string& tenant, std::span<const int32_t> prompt);

  /// Takes the cache of a sequence that began with `tokens`, all of them read as a prompt, and keeps whole
  /// blocks of them. What was used longest ago goes where the bytes are too many.
  void keep(const std::string& tenant, std::span<const int32_t> tokens, std::unique_ptr<Cache> cache);

  int64_t bytes() const { return bytes_; }
  int64_t entries() const { return static_cast<int64_t>(entries_.size()); }

 private:
  struct Entry {
    std::string tenant;
    std::vector<int32_t> tokens;
    std::unique_ptr<Cache> cache;
    int64_t bytes;
  };
  using Entries = std::list<Entry>;
  Entries::iterator drop(Entries::iterator entry);

  int64_t block_, max_bytes_, bytes_ = 0;
  Entries entries_;  // used last first
};

}  // namespace uma
