#include "grammar/masks.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "grammar/plain.h"

namespace uma {

bool TokenMask::empty() const {
  return std::all_of(words_.begin(), words_.end(), [](uint64_t w) { return w == 0; });
}

GrammarMatcher::GrammarMatcher(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie)
    : grammar_(std::move(grammar)), trie_(std::move(trie)) {
  check(grammar_ && trie_, ErrorCode::kInvalidArgument, "grammar",
        "a matcher needs a grammar and a vocabulary");
  masks_ = grammar_->masks_for(trie_);
  masks_->begin(*this);
}

std::shared_ptr<const TokenMask> GrammarMatcher::mask() {
  return masks_->mask(*this);
}
void GrammarMatcher::accept(int32_t token) {
  masks_->accept(*this, token);
}
bool GrammarMatcher::is_complete() const {
  return complete_;
}
bool GrammarMatcher::is_finished() const {
  return finished_;
}

namespace grammar {
namespace {

// Of one grammar over one vocabulary; thousands of sets and masks.
constexpr size_t kMaxGenerationBytes = size_t{96} << 20;

}  // namespace

void Masks::begin(GrammarMatcher& m) {
  std::lock_guard lock(mutex_);
  if (!newest_) newest_ = std::make_shared<Generation>(automaton_);
  m.generation_ = newest_;
  m.config_ = newest_->configs.start();
  look(*newest_, m);
}

void Masks::look(const Generation& g, GrammarMatcher& m) {
  const Configs::Config& c = g.configs[m.config_];
  m.complete_ = c.done;
  m.finished_ = c.done && c.items.empty();
}

Masks::Generation& Masks::generation_of(GrammarMatcher& m) {
  if (newest_->configs.bytes() + newest_->mask_bytes > kMaxGenerationBytes)
    newest_ = std::make_shared<Generation>(automaton_);
  if (m.generation_ != newest_) {
    m.config_ = newest_->configs.imported(static_cast<Generation*>(m.generation_.get())->configs, m.config_);
    m.generation_ = newest_;
  }
  newest_->configs.reset_work();
  return *newest_;
}

std::shared_ptr<const TokenMask> Masks::mask(GrammarMatcher& m) {
  std::lock_guard lock(mutex_);
  Generation& g = generation_of(m);
  auto at = g.masks.find(m.config_);
  if (at == g.masks.end()) at = g.masks.emplace(m.config_, make_mask(g, m.config_)).first;
  return at->second;
}

void Masks::accept(GrammarMatcher& m, int32_t token) {
  const bool known = token >= 0 && token < trie_.vocab_size();
  if (known && trie_.is_end(token) && m.complete_) return;
  const std::string_view bytes = known ? trie_.bytes_of(token) : "";
  std::lock_guard lock(mutex_);
  Generation& g = generation_of(m);
  ConfigId c = bytes.empty() ? kDead : m.config_;
  for (const char b : bytes) c = g.configs.step(c, static_cast<uint8_t>(b));
  check(c != kDead, ErrorCode::kInvalidArgument, "grammar", "token {} ('{}') does not fit the grammar here",
        token, shown(bytes));
  m.config_ = c;
  look(g, m);
}

void Masks::walk(Generation& g, uint32_t node, uint32_t end, ConfigId start, TokenMask& mask,
                 std::vector<uint32_t>* leaving) {
  if (node == end) return;
  const std::vector<TokenTrie::Node>& nodes = trie_.nodes();
  path_.resize(size_t{trie_.max_depth()} + 1);
  path_[nodes[node].depth - 1] = start;
  for (uint32_t i = node; i < end;) {
    const TokenTrie::Node& n = nodes[i];
    const ConfigId c = g.configs.step(path_[n.depth - 1], n.byte);
    if (c == kDead) {
      i = n.end;
      continue;
    }
    path_[n.depth] = c;
    for (uint32_t t = n.tokens; t < n.tokens_end; ++t) mask.allow(trie_.spellings()[t]);
    if (leaving && n.end > i + 1 && g.configs[c].done) leaving->push_back(i);
    ++i;
  }
}

const Masks::Inside& Masks::inside_of(Generation& g, ConfigId config) {
  if (const auto at = g.inside.find(config); at != g.inside.end()) return at->second;
  auto mask = std::make_shared<TokenMask>(trie_.vocab_size());
  Inside inside;
  const bool plain = takes_plain(g.configs, automaton_, config);
  if (plain)
    for (uint32_t t = 0; t < trie_.plain_tokens(); ++t) mask->allow(trie_.spellings()[t]);
  walk(g, plain ? trie_.plain_end() : 0, static_cast<uint32_t>(trie_.nodes().size()), config, *mask,
       &inside.leaving);
  g.mask_bytes += mask->words().size() * sizeof(uint64_t) + inside.leaving.size() * sizeof(uint32_t);
  inside.mask = std::move(mask);
  return g.inside.emplace(config, std::move(inside)).first->second;
}

std::shared_ptr<const TokenMask> Masks::make_mask(Generation& g, ConfigId config) {
  std::vector<FrameId> frames;
  for (const Configs::Item& item : g.configs[config].items) frames.push_back(item.frame);
  std::sort(frames.begin(), frames.end());
  frames.erase(std::unique(frames.begin(), frames.end()), frames.end());
  const bool done = g.configs[config].done;
  if (!done && frames.size() == 1 && frames[0] == kBottom) {
    auto whole = inside_of(g, config).mask;
    check(!whole->empty(), ErrorCode::kInvalidArgument, "grammar",
          "no token of this model's vocabulary can go on as the grammar wants");
    return whole;
  }
  auto mask = std::make_shared<TokenMask>(trie_.vocab_size());
  for (const FrameId frame : frames) {
    const Inside& inside = inside_of(g, g.configs.alone(config, frame));
    mask->allow_all_of(*inside.mask);
    if (frame == kBottom) continue;
    const ConfigId below = g.configs.resumed(frame);
    for (const uint32_t node : inside.leaving)
      walk(g, node + 1, trie_.nodes()[node].end, below, *mask, nullptr);
  }
  if (done)
    for (const int32_t token : trie_.end_tokens()) mask->allow(token);
  check(!mask->empty(), ErrorCode::kInvalidArgument, "grammar", "{}",
        done ? "the answer is whole, and this model has no token to end it"
             : "no token of this model's vocabulary can go on as the grammar wants");
  g.mask_bytes += mask->words().size() * sizeof(uint64_t);
  return mask;
}

}  // namespace grammar
}  // namespace uma
