#include "grammar/token_trie.h"

#include <algorithm>
#include <mutex>

#include "grammar/plain.h"

namespace uma {

TokenTrie::TokenTrie(const Tokenizer& tokenizer) : end_tokens_(tokenizer.end_tokens()) {
  const auto n = static_cast<int32_t>(tokenizer.size());
  offsets_.reserve(static_cast<size_t>(n) + 1);
  for (int32_t id = 0; id < n; ++id) {
    offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
    if (is_end(id)) continue;
    const std::string text = tokenizer.piece(id, false);
    const std::string name = text.empty() ? tokenizer.piece(id, true) : "";
    if (!name.empty()) (bytes_ += kControl) += name;
    bytes_ += text;
  }
  offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
  std::vector<int32_t> plain, others;
  for (int32_t id = 0; id < n; ++id)
    if (!bytes_of(id).empty()) (grammar::is_plain(bytes_of(id)) ? plain : others).push_back(id);
  grow(std::move(plain));
  plain_end_ = static_cast<uint32_t>(nodes_.size());
  plain_tokens_ = static_cast<uint32_t>(spellings_.size());
  grow(std::move(others));
}

/// Adds the tree of some tokens.
void TokenTrie::grow(std::vector<int32_t> tokens) {
  std::sort(tokens.begin(), tokens.end(), [&](int32_t a, int32_t b) {
    const std::string_view x = bytes_of(a), y = bytes_of(b);
    return x != y ? x < y : a < b;
  });
  std::string_view before;
  std::vector<uint32_t> path;  // nodes from the root to the last one
  const auto close = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back())
      nodes_[path.back()].end = static_cast<uint32_t>(nodes_.size());
  };
  for (const int32_t token : tokens) {
    const std::string_view bytes = bytes_of(token);
    const auto common = static_cast<size_t>(
        std::mismatch(bytes.begin(), bytes.end(), before.begin(), before.end()).first - bytes.begin());
    close(common);
    const auto i = static_cast<uint32_t>(spellings_.size());
    for (size_t d = common; d < bytes.size(); ++d) {
      path.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({static_cast<uint8_t>(bytes[d]), static_cast<uint32_t>(d + 1), 0, i, i});
    }
    spellings_.push_back(token);
    nodes_[path.back()].tokens_end = i + 1;
    max_depth_ = std::max(max_depth_, static_cast<uint32_t>(bytes.size()));
    before = bytes;
  }
  close(0);
}

std::shared_ptr<const TokenTrie> TokenTrie::of(const std::shared_ptr<const Tokenizer>& tokenizer) {
  struct Entry {
    std::weak_ptr<const Tokenizer> tokenizer;
    std::once_flag once;
    std::shared_ptr<const TokenTrie> trie;
  };
  static std::mutex mutex;
  static std::vector<std::shared_ptr<Entry>> entries;
  std::shared_ptr<Entry> mine;
  {
    std::lock_guard lock(mutex);
    std::erase_if(entries, [](const auto& e) { return e->tokenizer.expired(); });
    for (const auto& e : entries)
      if (e->tokenizer.lock() == tokenizer) mine = e;
    if (!mine) {
      mine = entries.emplace_back(std::make_shared<Entry>());
      mine->tokenizer = tokenizer;
    }
  }
  // Without the lock: a large vocabulary takes most of a second, and others want trees that are there.
  std::call_once(mine->once, [&] { mine->trie = std::make_shared<const TokenTrie>(*tokenizer); });
  return mine->trie;
}

std::string_view TokenTrie::bytes_of(int32_t token) const {
  const auto i = static_cast<size_t>(token);
  return std::string_view(bytes_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
}

bool TokenTrie::is_end(int32_t token) const {
  return std::binary_search(end_tokens_.begin(), end_tokens_.end(), token);
}

}  // namespace uma
