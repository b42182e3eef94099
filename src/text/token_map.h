#pragma once
// From token text to id: open addressing over string views. A vocabulary has up to a quarter of a million
// entries and is made each time a model is opened, so building it must take milliseconds.
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace uma {

/// Drawn once a process: a file cannot be written so that its tokens all fall into one place.
uint64_t token_hash_key();

/// Both halves of a 128-bit product, folded.
inline uint64_t folded_product(uint64_t x, uint64_t y) {
  const auto product = static_cast<unsigned __int128>(x) * y;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hash_bytes(std::string_view text, uint64_t key) {
  uint64_t h = key ^ text.size();
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    h = folded_product(h ^ word, key | 1);
  }
  uint64_t tail = 0;
  std::memcpy(&tail, text.data() + i, text.size() - i);
  h = folded_product(h ^ tail, key | 1);
  return folded_product(h ^ 0x9e3779b97f4a7c15u, 0xbf58476d1ce4e5b9u);
}

class TokenMap {
 public:
  /// Makes room for `n` entries.
  void reserve(size_t n) {
    const size_t slots = std::bit_ceil(n * 2 + 16);
    mask_ = slots - 1;
    slots_.assign(slots, Slot{});
  }
  /// For look-ups in bulk, whose time is waiting for memory: first all hashes, with their slots asked for;
  /// then their texts; then the look-ups.
  uint64_t hash(std::string_view text) const { return hash_bytes(text, key_); }
  void ask_for_slot(uint64_t hash) const { __builtin_prefetch(&slots_[hash & mask_]); }
  void ask_for_text(uint64_t hash) const { __builtin_prefetch(slots_[hash & mask_].data); }

  /// False if the text is there already. Texts are under 4 GiB, and live as long as the map.
  bool insert(std::string_view text, int32_t id) { return insert(text, id, hash(text)); }
  bool insert(std::string_view text, int32_t id, uint64_t hash) {
    size_t i = hash & mask_;
    for (; slots_[i].id >= 0; i = (i + 1) & mask_)
      if (slots_[i].text() == text) return false;
    slots_[i] = {text.data(), static_cast<uint32_t>(text.size()), id};
    return true;
  }
  /// text_of(id) for every id in [0, n); of several ids with one text, the first.
  template <class TextOf>
  void insert_all(int32_t n, TextOf text_of) {
    constexpr int32_t kBulk = 16;
    for (int32_t first = 0; first < n; first += kBulk) {
      const int32_t count = n - first < kBulk ? n - first : kBulk;
      uint64_t hashes[kBulk];
      for (int32_t i = 0; i < count; ++i) ask_for_slot(hashes[i] = hash(text_of(first + i)));
      for (int32_t i = 0; i < count; ++i) insert(text_of(first + i), first + i, hashes[i]);
    }
  }
  /// -1 where there is none.
  int32_t find(std::string_view text) const { return slots_.empty() ? -1 : find(text, hash(text)); }
  int32_t find(std::string_view text, uint64_t hash) const {
    for (size_t i = hash & mask_; slots_[i].id >= 0; i = (i + 1) & mask_)
      if (slots_[i].text() == text) return slots_[i].id;
    return -1;
  }

 private:
  // Four to a cache line: a look-up is mostly the wait for one.
  struct Slot {
    const char* data = nullptr;
    uint32_t length = 0;
    int32_t id = -1;
    std::string_view text() const { return {data, length}; }
  };
  std::vector<Slot> slots_;
  size_t mask_ = 0;
  uint64_t key_ = token_hash_key();
};

/// From a pair of symbols to the merge that joins them; the first of several with one pair counts.
class PairMap {
 public:
  struct Slot {
    uint64_t pair = kEmpty;
    int32_t rank = 0, id = 0;  // place in the list; the symbol that it makes
  };
  static uint64_t pair(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  /// Makes room for `n` entries.
  void reserve(size_t n) {
    const size_t slots = std::bit_ceil(n + n / 2 + 16);
    mask_ = slots - 1;
    slots_.assign(slots, Slot{});
  }
  void ask_for_slot(uint64_t pair) const { __builtin_prefetch(&slots_[place(pair)]); }
  void insert(const Slot& entry) {
    size_t i = place(entry.pair);
    for (; slots_[i].pair != kEmpty; i = (i + 1) & mask_)
      if (slots_[i].pair == entry.pair) return;
    slots_[i] = entry;
  }
  /// nullptr where the two do not merge.
  const Slot* find(uint64_t wanted) const {
    for (size_t i = place(wanted); slots_[i].pair != kEmpty; i = (i + 1) & mask_)
      if (slots_[i].pair == wanted) return &slots_[i];
    return nullptr;
  }

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};  // two symbols of -1: none
  size_t place(uint64_t pair) const { return folded_product(pair ^ key_, key_ | 1) & mask_; }
  std::vector<Slot> slots_;
  size_t mask_ = 0;
  uint64_t key_ = token_hash_key();
};

}  // namespace uma
