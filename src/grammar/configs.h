#pragma once
// The places where an automaton may be after some bytes: a set of states, each with the stack of the rules
// that wait for it. Sets and stacks are kept once and numbered, and so is each set's successor for each class
// of bytes, so that what a grammar does again costs one look-up: a deterministic automaton made as it is
// used.
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "grammar/automaton.h"

namespace uma::grammar {

using ConfigId = uint32_t;
using FrameId = uint32_t;

inline constexpr ConfigId kDead = 0;            // no text goes on from here
inline constexpr FrameId kBottom = 0;           // nobody waits
inline constexpr size_t kMaxItems = 16384;      // states with stacks in one set
inline constexpr size_t kMaxWork = 50'000'000;  // states visited for one question: about a second

class Configs {
 public:
  explicit Configs(const Automaton& automaton);

  struct Item {
    uint32_t state;
    FrameId frame;
    friend auto operator<=>(const Item&, const Item&) = default;
  };
  struct Config {
    std::vector<Item> items;     // sorted; each state takes a byte
    bool done = false;           // the text so far is whole
    std::vector<ConfigId> next;  // by class of bytes; empty until it is asked
  };
  struct Frame {
    uint32_t state;  // where to go on
    FrameId parent;
  };

  ConfigId start() const { return start_; }
  const Config& operator[](ConfigId id) const { return *configs_[id]; }
  const Frame& frame(FrameId id) const { return frames_[id]; }

  /// Throws Limit where a set has over kMaxItems items, or the work is over kMaxWork.
  ConfigId step(ConfigId from, uint8_t byte) {
    Config& c = *configs_[from];
    const size_t k = automaton_.class_of[byte];
    if (!c.next.empty() && c.next[k] != kUnknown) return c.next[k];
    return make_step(from, byte);
  }
  /// Where a frame goes on, without the rule that it waited for.
  ConfigId resumed(FrameId frame);
  /// The states of `config` that stand on `frame`, as if nobody waited below.
  ConfigId alone(ConfigId config, FrameId frame);
  /// The same place among others of the same automaton.
  ConfigId imported(const Configs& other, ConfigId id);

  /// About what is held.
  size_t bytes() const { return bytes_; }
  /// A new question begins; one that takes over kMaxWork steps is given up with Limit.
  void reset_work() { work_ = 0; }

 private:
  static constexpr ConfigId kUnknown = UINT32_MAX;
  ConfigId make_step(ConfigId from, uint8_t byte);
  void begin();
  void add(uint32_t state, FrameId frame);
  ConfigId finish();
  FrameId push(uint32_t state, FrameId parent);

  const Automaton& automaton_;
  std::vector<std::unique_ptr<Config>> configs_;
  std::unordered_multimap<uint64_t, ConfigId> by_hash_;
  std::vector<Frame> frames_;
  std::unordered_map<uint64_t, FrameId> by_frame_;
  std::unordered_map<FrameId, ConfigId> resumed_;
  ConfigId start_ = 0;
  size_t bytes_ = 0, work_ = 0;
  // Under construction.
  std::vector<Item> todo_, found_;
  std::vector<uint64_t> seen_;  // an open hash set of items; 0 is free
  size_t seen_count_ = 0;
  bool done_ = false;
};

}  // namespace uma::grammar
