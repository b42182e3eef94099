#include "engine/prefix_cache.h"

#include <algorithm>

namespace uma {
namespace {

int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

}  // namespace

PrefixCache::Hit PrefixCache::find(const std::string& tenant, std::span<const int32_t> prompt) {
  auto best = entries_.end();
  int64_t most = 0;
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->tenant != tenant) continue;
    // The last token is always run: its logits are what the answer begins with.
    const int64_t shared = common_prefix(prompt.first(prompt.size() - 1), entry->tokens) / block_ * block_;
    if (shared > most) most = shared, best = entry;
  }
  if (most == 0) return {};
  entries_.splice(entries_.begin(), entries_, best);
  Hit hit{best->cache->clone(), most};
  hit.cache->truncate(most);
  return hit;
}

void PrefixCache::keep(const std::string& tenant, std::span<const int32_t> tokens,
                       std::unique_ptr<Cache> cache) {
  tokens = tokens.first(tokens.size() / static_cast<size_t>(block_) * static_cast<size_t>(block_));
  if (tokens.empty() || max_bytes_ == 0) return;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto shared =
        static_cast<size_t>(entry->tenant == tenant ? common_prefix(tokens, entry->tokens) : 0);
    if (shared == tokens.size()) {  // an older one has all of it
      entries_.splice(entries_.begin(), entries_, entry);
      return;
    }
    entry = shared > 0 && shared == entry->tokens.size() ? drop(entry) : std::next(entry);
  }
  cache->truncate(static_cast<int64_t>(tokens.size()));
  const int64_t bytes = cache->nbytes();
  entries_.push_front({tenant, {tokens.begin(), tokens.end()}, std::move(cache), bytes});
  bytes_ += bytes;
  while (bytes_ > max_bytes_) drop(std::prev(entries_.end()));
}

PrefixCache::Entries::iterator PrefixCache::drop(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  return entries_.erase(entry);
}

}  // namespace uma
