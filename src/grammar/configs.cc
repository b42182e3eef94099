#include "grammar/configs.h"

#include <algorithm>

#include "base/error.h"

namespace uma::grammar {
namespace {

using Kind = State::Kind;

uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
uint64_t key_of(uint32_t state, FrameId frame) {
  return static_cast<uint64_t>(state) << 32 | frame;
}

}  // namespace

Configs::Configs(const Automaton& automaton) : automaton_(automaton), frames_(1), seen_(64) {
  begin();
  finish();  // kDead
  begin();
  add(automaton.starts[0], kBottom);
  start_ = finish();
}

FrameId Configs::push(uint32_t state, FrameId parent) {
  const auto [at, fresh] = by_frame_.try_emplace(key_of(state, parent), static_cast<FrameId>(frames_.size()));
  if (fresh) {
    frames_.push_back({state, parent});
    bytes_ += 64;
  }
  return at->second;
}

void Configs::begin() {
  found_.clear();
  seen_.assign(64, 0);
  seen_count_ = 0;
  done_ = false;
}

/// Adds what is reached from a state without a byte.
void Configs::add(uint32_t state, FrameId frame) {
  todo_.assign(1, {state, frame});
  while (!todo_.empty()) {
    const Item item = todo_.back();
    todo_.pop_back();
    const State& s = automaton_.states[item.state];
    if (s.kind == Kind::dead) continue;
    const uint64_t key = key_of(item.state, item.frame);  // never 0: that state is dead
    size_t i = mix(key) & (seen_.size() - 1);
    while (seen_[i] != 0 && seen_[i] != key) i = (i + 1) & (seen_.size() - 1);
    if (seen_[i] == key) continue;
    seen_[i] = key;
    if (++seen_count_ * 2 > seen_.size()) {
      check(seen_count_ < 8 * kMaxItems, ErrorCode::kLimit, "grammar",
            "the grammar is too ambiguous: a text can be read in over {} ways", kMaxItems);
      std::vector<uint64_t> old(seen_.size() * 2);
      std::swap(old, seen_);
      for (const uint64_t k : old) {
        if (k == 0) continue;
        size_t j = mix(k) & (seen_.size() - 1);
        while (seen_[j] != 0) j = (j + 1) & (seen_.size() - 1);
        seen_[j] = k;
      }
    }
    switch (s.kind) {
      case Kind::byte:
        found_.push_back(item);
        break;
      case Kind::split:
        todo_.push_back({s.next, item.frame});
        todo_.push_back({s.other, item.frame});
        break;
      case Kind::call:
        todo_.push_back({automaton_.starts[s.other], s.tail ? item.frame : push(s.next, item.frame)});
        break;
      case Kind::accept:
        if (item.frame == kBottom)
          done_ = true;
        else
          todo_.push_back({frames_[item.frame].state, frames_[item.frame].parent});
        break;
      case Kind::dead:
        break;
    }
  }
}

ConfigId Configs::finish() {
  check(found_.size() <= kMaxItems, ErrorCode::kLimit, "grammar",
        "the grammar is too ambiguous: a text can be read in over {} ways", kMaxItems);
  std::sort(found_.begin(), found_.end());
  uint64_t hash = done_ ? 1 : 2;
  for (const Item& item : found_) hash = mix(hash ^ key_of(item.state, item.frame)) * 0x9e3779b97f4a7c15u;
  const auto [from, to] = by_hash_.equal_range(hash);
  for (auto at = from; at != to; ++at)
    if (const Config& c = *configs_[at->second]; c.done == done_ && c.items == found_) return at->second;
  const auto id = static_cast<ConfigId>(configs_.size());
  configs_.push_back(std::make_unique<Config>(Config{found_, done_, {}}));
  by_hash_.emplace(hash, id);
  bytes_ += 128 + found_.size() * sizeof(Item);
  return id;
}

ConfigId Configs::make_step(ConfigId from, uint8_t byte) {
  begin();
  for (const Item& item : configs_[from]->items) {
    const State& s = automaton_.states[item.state];
    if (s.first <= byte && byte <= s.last) add(s.next, item.frame);
  }
  work_ += configs_[from]->items.size() + seen_.size();
  check(work_ < kMaxWork, ErrorCode::kLimit, "grammar",
        "the grammar is too ambiguous: what may come next takes over {} steps to find", kMaxWork);
  const ConfigId to = finish();
  std::vector<ConfigId>& next = configs_[from]->next;
  if (next.empty()) {
    next.assign(static_cast<size_t>(automaton_.classes), kUnknown);
    bytes_ += next.size() * sizeof(ConfigId);
  }
  return next[automaton_.class_of[byte]] = to;
}

ConfigId Configs::resumed(FrameId frame) {
  if (const auto at = resumed_.find(frame); at != resumed_.end()) return at->second;
  begin();
  add(frames_[frame].state, frames_[frame].parent);
  return resumed_[frame] = finish();
}

ConfigId Configs::alone(ConfigId config, FrameId frame) {
  begin();
  for (const Item& item : configs_[config]->items)
    if (item.frame == frame) found_.push_back({item.state, kBottom});
  return finish();
}

ConfigId Configs::imported(const Configs& other, ConfigId id) {
  std::unordered_map<FrameId, FrameId> ours{{kBottom, kBottom}};
  std::vector<FrameId> path;
  const auto import = [&](FrameId frame) {
    for (; !ours.contains(frame); frame = other.frames_[frame].parent) path.push_back(frame);
    FrameId last = ours[frame];
    for (; !path.empty(); path.pop_back())
      ours[path.back()] = last = push(other.frames_[path.back()].state, last);
    return last;
  };
  begin();
  for (const Item& item : other[id].items) found_.push_back({item.state, import(item.frame)});
  done_ = other[id].done;
  return finish();
}

}  // namespace uma::grammar
