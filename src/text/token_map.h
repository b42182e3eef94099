#pragma once
// From token text to id: open addressing over string views. A vocabulary has up to a quarter of a million
// entries and is made each time a model is opened, so building it must take milliseconds.
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace uma {

inline uint64_t hash_bytes(std::string_view text) {
  uint64_t h = text.size() * 0x9e3779b97f4a7c15u;
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    h = (std::rotl(h, 29) ^ word) * 0xbf58476d1ce4e5b9u;
  }
  uint64_t tail = 0;
  std::memcpy(&tail, text.data() + i, text.size() - i);
  h = (std::rotl(h, 29) ^ tail) * 0x94d049bb133111ebu;
  return h ^ (h >> 32);
}

class TokenMap {
 public:
  /// Makes room for `n` entries.
  void reserve(size_t n) {
    const size_t slots = std::bit_ceil(n * 2 + 16);
    mask_ = slots - 1;
    slots_.assign(slots, Slot{});
  }
  /// False if the text is there already.
  bool insert(std::string_view text, int32_t id) {
    size_t i = hash_bytes(text) & mask_;
    for (; slots_[i].id >= 0; i = (i + 1) & mask_)
      if (slots_[i].text == text) return false;
    slots_[i] = {text, id};
    return true;
  }
  /// -1 where there is none.
  int32_t find(std::string_view text) const {
    if (slots_.empty()) return -1;
    for (size_t i = hash_bytes(text) & mask_; slots_[i].id >= 0; i = (i + 1) & mask_)
      if (slots_[i].text == text) return slots_[i].id;
    return -1;
  }

 private:
  struct Slot {
    std::string_view text;
    int32_t id = -1;
  };
  std::vector<Slot> slots_;
  size_t mask_ = 0;
};

}  // namespace uma
