#include "grammar/number_range.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace uma::grammar {
namespace {

constexpr uint32_t kFraction = 15;  // digits after the point, at most

ExprPtr digit(char first, char last) {
  return chars(CharSet().add(static_cast<uint8_t>(first), static_cast<uint8_t>(last)));
}
ExprPtr any(size_t min, size_t max) {
  return repeat(digit('0', '9'), static_cast<uint32_t>(min), static_cast<uint32_t>(max));
}
ExprPtr one(char c) {
  return text(std::string_view(&c, 1));
}

/// As many digits as `s` has, and no less than it.
ExprPtr at_least(std::string_view s) {
  if (s.find_first_not_of('0') == s.npos) return any(s.size(), s.size());
  std::vector<ExprPtr> all{sequence({one(s[0]), at_least(s.substr(1))})};
  if (s[0] < '9') all.push_back(sequence({digit(s[0] + 1, '9'), any(s.size() - 1, s.size() - 1)}));
  return choice(std::move(all));
}
ExprPtr at_most(std::string_view s) {
  if (s.find_first_not_of('9') == s.npos) return any(s.size(), s.size());
  std::vector<ExprPtr> all{sequence({one(s[0]), at_most(s.substr(1))})};
  if (s[0] > '0') all.push_back(sequence({digit('0', s[0] - 1), any(s.size() - 1, s.size() - 1)}));
  return choice(std::move(all));
}
/// Of one length.
ExprPtr between(std::string_view low, std::string_view high) {
  if (low.empty()) return text("");
  if (low[0] == high[0]) return sequence({one(low[0]), between(low.substr(1), high.substr(1))});
  std::vector<ExprPtr> all{sequence({one(low[0]), at_least(low.substr(1))}),
                           sequence({one(high[0]), at_most(high.substr(1))})};
  if (low[0] + 1 < high[0])
    all.push_back(sequence({digit(low[0] + 1, high[0] - 1), any(low.size() - 1, low.size() - 1)}));
  return choice(std::move(all));
}

/// 0 <= low; nullptr for none.
ExprPtr natural_range(int64_t low, int64_t high) {
  std::vector<ExprPtr> all;
  if (low > high) return nullptr;
  for (int64_t first = 0, last = 9; first <= high; first = last + 1, last = last * 10 + 9)
    if (low <= last)
      all.push_back(between(std::to_string(std::max(low, first)), std::to_string(std::min(high, last))));
  return all.empty() ? nullptr : choice(std::move(all));
}

/// A bound that is not negative, as its digits before and after the point.
struct Decimal {
  int64_t whole = 0;
  std::string fraction;
  bool excluded = false;
  bool has_zero_fraction() const { return fraction.find_first_not_of('0') == std::string::npos; }
};

/// Digits after `done` of them, that with those before make at least (`more`) or at most `d` after the point.
ExprPtr fraction_from(const Decimal& d, size_t done, bool more) {
  const std::string_view rest = std::string_view(d.fraction).substr(std::min(done, d.fraction.size()));
  const size_t left = kFraction - done;
  const bool equal_if_ended = rest.find_first_not_of('0') == rest.npos;
  std::vector<ExprPtr> all;
  if (equal_if_ended ? !d.excluded : !more) all.push_back(text(""));
  if (rest.empty()) {
    // What has been said is the bound itself, so far.
    if (more && d.excluded)
      all.push_back(sequence(
          {repeat(text("0"), 0, static_cast<uint32_t>(left) / 2), digit('1', '9'), any(0, (left - 1) / 2)}));
    else if (more)
      all.push_back(any(1, left));
    else if (!d.excluded)
      all.push_back(repeat(text("0"), 1, static_cast<uint32_t>(left)));
    return choice(std::move(all));
  }
  all.push_back(sequence({one(rest[0]), fraction_from(d, done + 1, more)}));
  if (more && rest[0] < '9') all.push_back(sequence({digit(rest[0] + 1, '9'), any(0, left - 1)}));
  if (!more && rest[0] > '0') all.push_back(sequence({digit('0', rest[0] - 1), any(0, left - 1)}));
  return choice(std::move(all));
}

/// Between two bounds of the same digits before the point; both fractions have one length.
ExprPtr fraction_between(const Decimal& low, const Decimal& high, size_t done) {
  const size_t left = kFraction - done;
  std::vector<ExprPtr> all;
  const auto rest = [&](const Decimal& d) { return std::string_view(d.fraction).substr(done); };
  if (rest(low).empty()) {
    if (low.excluded || high.excluded) return choice({});
    return repeat(text("0"), 0, static_cast<uint32_t>(left));
  }
  const char a = rest(low)[0], b = rest(high)[0];
  if (a == b) {
    // Ending before this digit is as ending in zeros.
    const bool zeros = rest(low).find_first_not_of('0') == std::string_view::npos;
    const bool may_end = zeros && !low.excluded &&
                         (rest(high).find_first_not_of('0') != std::string_view::npos || !high.excluded);
    ExprPtr on = sequence({one(a), fraction_between(low, high, done + 1)});
    return may_end ? optional(on) : on;
  }
  if (rest(low).find_first_not_of('0') == std::string_view::npos && !low.excluded) all.push_back(text(""));
  all.push_back(sequence({one(a), fraction_from(low, done + 1, true)}));
  all.push_back(sequence({one(b), fraction_from(high, done + 1, false)}));
  if (a + 1 < b) all.push_back(sequence({digit(a + 1, b - 1), any(0, left - 1)}));
  return choice(std::move(all));
}

/// A point and digits; or neither, where that is in the range.
ExprPtr with_point(ExprPtr digits, bool may_be_none) {
  ExprPtr some = sequence({text("."), std::move(digits)});
  return may_be_none ? optional(std::move(some)) : some;
}

/// A point and a fraction that makes at least (`more`) or at most `d`; d has a digit after its point.
ExprPtr pointed(const Decimal& d, bool more) {
  std::vector<ExprPtr> all;
  for (char c = '0'; c <= '9'; ++c) {
    if (c == d.fraction[0])
      all.push_back(sequence({one(c), fraction_from(d, 1, more)}));
    else if ((c > d.fraction[0]) == more)
      all.push_back(sequence({one(c), any(0, kFraction - 1)}));
  }
  return with_point(choice(std::move(all)), d.has_zero_fraction() ? !d.excluded : !more);
}

ExprPtr natural_decimals(Decimal low, Decimal high) {
  const size_t digits = std::max<size_t>({low.fraction.size(), high.fraction.size(), 1});
  low.fraction.resize(digits, '0');
  high.fraction.resize(digits, '0');
  std::vector<ExprPtr> all;
  if (low.whole == high.whole) {
    if (low.fraction > high.fraction) return choice({});
    const bool none =
        low.has_zero_fraction() && !low.excluded && !(high.has_zero_fraction() && high.excluded);
    std::vector<ExprPtr> first;  // digits
    const char a = low.fraction[0], b = high.fraction[0];
    if (a == b) {
      first.push_back(sequence({one(a), fraction_between(low, high, 1)}));
    } else {
      first.push_back(sequence({one(a), fraction_from(low, 1, true)}));
      first.push_back(sequence({one(b), fraction_from(high, 1, false)}));
      if (a + 1 < b) first.push_back(sequence({digit(a + 1, b - 1), any(0, kFraction - 1)}));
    }
    return sequence({text(std::to_string(low.whole)), with_point(choice(std::move(first)), none)});
  }
  if (low.whole > high.whole) return choice({});
  all.push_back(sequence({text(std::to_string(low.whole)), pointed(low, true)}));
  all.push_back(sequence({text(std::to_string(high.whole)), pointed(high, false)}));
  if (const ExprPtr inner = natural_range(low.whole + 1, high.whole - 1))
    all.push_back(sequence({inner, optional(sequence({text("."), any(1, kFraction)}))}));
  return choice(std::move(all));
}

Decimal decimal_of(const Bound& b, std::string_view op) {
  const double x = std::abs(b.value);
  const std::string digits = fmt::format("{}", x);
  const size_t point = digits.find('.');
  Decimal d;
  d.excluded = b.excluded;
  check(x <= static_cast<double>(kMaxWhole) && digits.find('e') == std::string::npos,
        ErrorCode::kInvalidArgument, op, "a bound of {} has more digits than are compared", b.value);
  d.whole = static_cast<int64_t>(x);
  if (point != std::string::npos) d.fraction = digits.substr(point + 1);
  check(d.fraction.size() < kFraction, ErrorCode::kInvalidArgument, op,
        "a bound of {} has more digits than are compared", b.value);
  return d;
}

}  // namespace

ExprPtr integer_range(int64_t low, int64_t high) {
  low = std::max(low, -kMaxWhole);
  high = std::min(high, kMaxWhole);
  std::vector<ExprPtr> all;
  if (low < 0 && low <= high)
    if (const ExprPtr e = natural_range(std::max<int64_t>(1, -high), -low))
      all.push_back(sequence({text("-"), e}));
  if (high >= 0 && low <= high)
    if (const ExprPtr e = natural_range(std::max<int64_t>(0, low), high)) all.push_back(e);
  return all.empty() ? nullptr : choice(std::move(all));
}

ExprPtr number_range(std::optional<Bound> low, std::optional<Bound> high, std::string_view op) {
  const Bound a = low.value_or(Bound{-static_cast<double>(kMaxWhole), false});
  const Bound b = high.value_or(Bound{static_cast<double>(kMaxWhole), false});
  check(a.value < b.value || (a.value == b.value && !a.excluded && !b.excluded), ErrorCode::kInvalidArgument,
        op, "no number is between {} and {}", a.value, b.value);
  std::vector<ExprPtr> all;
  const Decimal zero;
  if (a.value < 0)
    all.push_back(sequence({text("-"), natural_decimals(b.value < 0    ? decimal_of(b, op)
                                                        : b.value == 0 ? Decimal{.excluded = b.excluded}
                                                                       : zero,
                                                        decimal_of(a, op))}));
  if (b.value > 0 || (b.value == 0 && !b.excluded))
    all.push_back(natural_decimals(a.value < 0    ? zero
                                   : a.value == 0 ? Decimal{.excluded = a.excluded}
                                                  : decimal_of(a, op),
                                   decimal_of(b, op)));
  return choice(std::move(all));
}

}  // namespace uma::grammar
