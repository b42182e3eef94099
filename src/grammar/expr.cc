#include "grammar/expr.h"

#include <algorithm>

namespace uma::grammar {
namespace {

constexpr uint32_t kLast = 0x10ffff;
constexpr CodeRange kSurrogates{0xd800, 0xdfff};

}  // namespace

CharSet& CharSet::add(uint32_t first, uint32_t last) {
  last = std::min(last, kLast);
  if (first > last) return *this;
  if (first <= kSurrogates.last && last >= kSurrogates.first) {
    if (first < kSurrogates.first) add(first, kSurrogates.first - 1);
    if (last > kSurrogates.last) add(kSurrogates.last + 1, last);
    return *this;
  }
  const auto from = std::lower_bound(ranges_.begin(), ranges_.end(), first,
                                     [](const CodeRange& r, uint32_t at) { return r.last + 1 < at; });
  auto to = from;
  for (; to != ranges_.end() && to->first <= last + 1; ++to) {
    first = std::min(first, to->first);
    last = std::max(last, to->last);
  }
  ranges_.insert(ranges_.erase(from, to), {first, last});
  return *this;
}

CharSet& CharSet::add(const CharSet& other) {
  for (const CodeRange& r : other.ranges_) add(r.first, r.last);
  return *this;
}

CharSet CharSet::inverted() const {
  CharSet rest;
  uint32_t at = 0;
  for (const CodeRange& r : ranges_) {
    if (r.first > at) rest.add(at, r.first - 1);
    at = r.last + 1;
  }
  return rest.add(at, kLast);
}

CharSet CharSet::without(const CharSet& other) const {
  CharSet gone = inverted();
  return gone.add(other).inverted();
}

bool CharSet::contains(uint32_t c) const {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [&](const CodeRange& r) { return r.first <= c && c <= r.last; });
}

ExprPtr text(std::string_view bytes) {
  return std::make_shared<Expr>(Expr{.kind = Expr::Kind::text, .text = std::string(bytes)});
}
ExprPtr chars(CharSet set) {
  return std::make_shared<Expr>(Expr{.kind = Expr::Kind::chars, .chars = std::move(set)});
}
ExprPtr sequence(std::vector<ExprPtr> parts) {
  if (parts.size() == 1) return parts[0];
  return std::make_shared<Expr>(Expr{.kind = Expr::Kind::sequence, .parts = std::move(parts)});
}
ExprPtr choice(std::vector<ExprPtr> parts) {
  if (parts.size() == 1) return parts[0];
  return std::make_shared<Expr>(Expr{.kind = Expr::Kind::choice, .parts = std::move(parts)});
}
ExprPtr repeat(ExprPtr part, uint32_t min, uint32_t max) {
  return std::make_shared<Expr>(
      Expr{.kind = Expr::Kind::repeat, .parts = {std::move(part)}, .min = min, .max = max});
}
ExprPtr optional(ExprPtr part) {
  return repeat(std::move(part), 0, 1);
}
ExprPtr call(uint32_t rule) {
  return std::make_shared<Expr>(Expr{.kind = Expr::Kind::call, .rule = rule});
}

uint32_t Rules::declare(std::string name) {
  rules.push_back({std::move(name), nullptr});
  return static_cast<uint32_t>(rules.size() - 1);
}
uint32_t Rules::add(std::string name, ExprPtr body) {
  rules.push_back({std::move(name), std::move(body)});
  return static_cast<uint32_t>(rules.size() - 1);
}

}  // namespace uma::grammar
