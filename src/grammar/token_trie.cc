#include "grammar/token_trie.h"

#include <algorithm>
#include <mutex>

namespace uma {

TokenTrie::TokenTrie(const Tokenizer& tokenizer) : end_tokens_(tokenizer.end_tokens()) {
  const auto n = static_cast<int32_t>(tokenizer.size());
  offsets_.reserve(static_cast<size_t>(n) + 1);
  for (int32_t id = 0; id < n; ++id) {
    offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
    if (!is_end(id)) bytes_ += tokenizer.piece(id, false);
  }
  offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
  for (int32_t id = 0; id < n; ++id)
    if (!bytes_of(id).empty()) spellings_.push_back(id);
  std::sort(spellings_.begin(), spellings_.end(), [&](int32_t a, int32_t b) {
    const std::string_view x = bytes_of(a), y = bytes_of(b);
    return x != y ? x < y : a < b;
  });

  std::string_view before;
  std::vector<uint32_t> path;  // nodes from the root to the last one
  const auto close = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back()) nodes_[path.back()].end = static_cast<uint32_t>(nodes_.size());
  };
  for (uint32_t i = 0; i < spellings_.size(); ++i) {
    const std::string_view bytes = bytes_of(spellings_[i]);
    const auto common = static_cast<size_t>(
        std::mismatch(bytes.begin(), bytes.end(), before.begin(), before.end()).first - bytes.begin());
    close(common);
    for (size_t d = common; d < bytes.size(); ++d) {
      path.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({static_cast<uint8_t>(bytes[d]), static_cast<uint32_t>(d + 1), 0, i, i});
    }
    nodes_[path.back()].tokens_end = i + 1;
    max_depth_ = std::max(max_depth_, static_cast<uint32_t>(bytes.size()));
    before = bytes;
  }
  close(0);
}

std::shared_ptr<const TokenTrie> TokenTrie::of(const std::shared_ptr<const Tokenizer>& tokenizer) {
  struct Entry {
    std::weak_ptr<const Tokenizer> tokenizer;
    std::shared_ptr<const TokenTrie> trie;
  };
  static std::mutex mutex;
  static std::vector<Entry> entries;
  std::lock_guard lock(mutex);
  std::erase_if(entries, [](const Entry& e) { return e.tokenizer.expired(); });
  for (const Entry& e : entries)
    if (e.tokenizer.lock() == tokenizer) return e.trie;
  return entries.emplace_back(Entry{tokenizer, std::make_shared<const TokenTrie>(*tokenizer)}).trie;
}

std::string_view TokenTrie::bytes_of(int32_t token) const {
  const auto i = static_cast<size_t>(token);
  return std::string_view(bytes_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
}

bool TokenTrie::is_end(int32_t token) const {
  return std::binary_search(end_tokens_.begin(), end_tokens_.end(), token);
}

}  // namespace uma
