#include "grammar/json_parts.h"

#include <algorithm>
#include <map>

#include "grammar/json_values.h"
#include "text/utf8.h"

namespace uma::grammar {

Length length_of(const Expr& e) {
  Length all;
  const auto times = [](uint64_t a, uint64_t b) {
    return a == 0 || b == 0                                                         ? 0
           : a == UINT64_MAX || b == UINT64_MAX || a > UINT32_MAX || b > UINT32_MAX ? UINT64_MAX
                                                                                    : a * b;
  };
  const auto plus = [](uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; };
  switch (e.kind) {
    case Expr::Kind::chars:
      return {1, 1};
    case Expr::Kind::sequence:
      for (const ExprPtr& p : e.parts) {
        const Length l = length_of(*p);
        all = {plus(all.min, l.min), plus(all.max, l.max)};
      }
      return all;
    case Expr::Kind::choice:
      all.min = UINT64_MAX;
      for (const ExprPtr& p : e.parts) {
        const Length l = length_of(*p);
        all = {std::min(all.min, l.min), std::max(all.max, l.max)};
      }
      return all;
    case Expr::Kind::repeat: {
      const Length l = length_of(*e.parts[0]);
      return {times(l.min, e.min), times(l.max, e.max == kUnbounded ? UINT64_MAX : e.max)};
    }
    default:
      return all;
  }
}

ExprPtr spelled(const ExprPtr& e) {
  switch (e->kind) {
    case Expr::Kind::chars:
      return JsonValues::spelled(e->chars);
    case Expr::Kind::sequence:
    case Expr::Kind::choice:
    case Expr::Kind::repeat: {
      Expr copy = *e;
      for (ExprPtr& p : copy.parts) p = spelled(p);
      return std::make_shared<const Expr>(std::move(copy));
    }
    default:
      return e;
  }
}

ExprPtr other_than(const std::vector<std::u32string>& names, size_t depth) {
  CharSet plain = CharSet().add(0, 0x1f).add('"', '"').add('\\', '\\').add(0x7f, 0x7f);
  std::map<char32_t, std::vector<std::u32string>> by_next;
  bool ends = false;
  for (const std::u32string& name : names) {
    if (name.size() == depth) {
      ends = true;
    } else {
      by_next[name[depth]].push_back(name);
    }
  }
  std::vector<ExprPtr> all;
  for (const auto& [next, rest] : by_next) {
    if (plain.contains(next)) continue;  // only an escape spells it
    std::string bytes;
    utf8_append_code_point(bytes, next);
    all.push_back(sequence({text(bytes), other_than(rest, depth + 1)}));
  }
  for (const auto& [next, rest] : by_next) plain.add(next, next);
  all.push_back(sequence({chars(plain.inverted()), repeat(JsonValues::character(), 0, kUnbounded)}));
  if (!ends) all.push_back(text(""));
  return choice(std::move(all));
}

ExprPtr members(Rules& rules, const std::vector<Property>& properties, const ExprPtr& extra,
                uint32_t most_extra, bool some) {
  const size_t n = properties.size();
  // Any of those up to the first that is required may be the first that is said. What may come after each
  // of them is a rule, as it is there twice: after it as the first, and after it as a later one.
  size_t prefix = 0;
  while (prefix < n && !properties[prefix].required) ++prefix;
  std::vector<ExprPtr> later, first;  // the last comes first
  if (extra) {
    later.push_back(repeat(sequence({JsonValues::comma(), extra}), 0, most_extra));
    if (prefix == n) {
      const uint32_t more = most_extra == kUnbounded ? kUnbounded : most_extra - 1;
      first.push_back(sequence({extra, repeat(sequence({JsonValues::comma(), extra}), 0, more)}));
    }
  }
  const auto in_order = [](const std::vector<ExprPtr>& parts) {
    return sequence({parts.rbegin(), parts.rend()});
  };
  for (size_t i = n; i-- > 0;) {
    const Property& p = properties[i];
    ExprPtr pair = p.pair;
    if (i > 0 && i <= prefix) {
      pair = call(rules.add(p.name, pair));
      later = {call(rules.add("after " + p.name, in_order(later)))};
    }
    if (i <= prefix) {
      later.push_back(pair);
      first.push_back(in_order(later));
      later.pop_back();
    }
    const ExprPtr next = sequence({JsonValues::comma(), pair});
    later.push_back(p.required ? next : optional(next));
  }
  if (first.empty()) return text("{}");
  ExprPtr whole = JsonValues::bracketed("{", choice(std::move(first)), "}");
  return some ? whole : choice({text("{}"), whole});
}

}  // namespace uma::grammar
