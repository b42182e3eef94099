#pragma once
// Greedy merging of neighbours, best pair first: what SentencePiece and BPE share. n symbols take
// O(n log n), so a megabyte without a space is no danger.
#include <cstdint>
#include <queue>
#include <vector>

namespace uma {

/// Symbols in a row, as a doubly linked list over [0, n).
struct MergeSymbol {
  int32_t prev, next;
  uint32_t begin, length;  // in the text; length 0: merged away
  int32_t id;              // what the caller knows it by
};

struct MergeCandidate {
  double rank;  // smaller is better
  int32_t left, right;
  uint32_t length;                                     // of both together, to see that neither has changed
  int32_t id;                                          // of the pair, once merged
  bool operator<(const MergeCandidate& other) const {  // a heap has its largest on top
    return rank != other.rank ? rank > other.rank : left > other.left;
  }
};

/// Merges until no pair is left. find(left, right, &rank, &id) says whether two neighbours merge, how well
/// and into what.
template <class Find>
void merge_all(std::vector<MergeSymbol>& symbols, Find find) {
  std::vector<MergeCandidate> storage;
  storage.reserve(symbols.size());
  std::priority_queue<MergeCandidate> queue(std::less<MergeCandidate>(), std::move(storage));
  const auto offer = [&](int32_t left, int32_t right) {
    if (left < 0 || right < 0) return;
    MergeCandidate c{0, left, right, 0, -1};
    const MergeSymbol &a = symbols[static_cast<size_t>(left)], &b = symbols[static_cast<size_t>(right)];
    if (!find(a, b, &c.rank, &c.id)) return;
    c.length = a.length + b.length;
    queue.push(c);
  };
  for (size_t i = 1; i < symbols.size(); ++i) offer(static_cast<int32_t>(i) - 1, static_cast<int32_t>(i));
  while (!queue.empty()) {
    const MergeCandidate c = queue.top();
    queue.pop();
    MergeSymbol &left = symbols[static_cast<size_t>(c.left)], &right = symbols[static_cast<size_t>(c.right)];
    if (left.length == 0 || right.length == 0 || left.length + right.length != c.length) continue;
    left.length += right.length;
    left.id = c.id;
    right.length = 0;
    left.next = right.next;
    if (right.next >= 0) symbols[static_cast<size_t>(right.next)].prev = c.left;
    offer(left.prev, c.left);
    offer(c.left, left.next);
  }
}

/// Symbols 0..n-1 linked in a row; begin, length and id are for the caller to fill in.
inline void link_symbols(std::vector<MergeSymbol>& symbols) {
  for (size_t i = 0; i < symbols.size(); ++i) {
    symbols[i].prev = static_cast<int32_t>(i) - 1;
    symbols[i].next = i + 1 < symbols.size() ? static_cast<int32_t>(i) + 1 : -1;
  }
}

}  // namespace uma
