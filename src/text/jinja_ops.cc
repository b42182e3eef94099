#include "text/jinja_ops.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "text/jinja_interp.h"
#include "text/jinja_unicode.h"

namespace uma::jinja {

std::string_view type_name(const Value& v) {
  switch (v.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
    case Kind::kBigInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return v.as<StringObj>().markup ? "Markup" : "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kRange:
      return "range";
    case Kind::kView:
      switch (v.as<ViewObj>().view) {
        case ViewKind::kKeys:
          return "dict_keys";
        case ViewKind::kValues:
          return "dict_values";
        case ViewKind::kItems:
          return "dict_items";
      }
      return "dict_items";
    case Kind::kGenerator:
      return v.as<GeneratorObj>().type_name;
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kMacro:
      return "Macro";
    case Kind::kMethod:
      return "builtin_function_or_method";
    case Kind::kFunction:
      return "function";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kCycler:
      return "Cycler";
    case Kind::kJoiner:
      return "Joiner";
  }
  return "object";
}

void fail_undefined(Runtime& rt, const Value& v) {
  rt.fail("{}", v.object() ? v.as<UndefinedObj>().message : std::string("the value is undefined"));
}

bool truthy(const Value& v) {
  switch (v.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return v.as_int() != 0;
    case Kind::kFloat:
      return v.as_real() != 0;
    case Kind::kString:
      return !v.text().empty();
    case Kind::kList:
    case Kind::kTuple:
      return !v.items().empty();
    case Kind::kDict:
      return !v.as<DictObj>().entries.empty();
    case Kind::kRange:
      return v.as<RangeObj>().size != 0;
    case Kind::kView:
      return !v.as<ViewObj>().dict.as<DictObj>().entries.empty();
    default:
      return true;
  }
}

namespace {

bool equal_sequences(Runtime& rt, const std::vector<Value>& a, const std::vector<Value>& b) {
  if (a.size() != b.size()) return false;
  Runtime::Deeper deeper(rt);
  for (size_t i = 0; i < a.size(); ++i)
    if (!equal(rt, a[i], b[i])) return false;
  return true;
}

bool equal_dicts(Runtime& rt, const DictObj& a, const DictObj& b) {
  if (a.entries.size() != b.entries.size()) return false;
  Runtime::Deeper deeper(rt);
  for (const auto& e : a.entries) {
    const Value* other = b.find(rt, e.key);
    if (!other || !equal(rt, e.value, *other)) return false;
  }
  return true;
}

/// An int against a float, exactly: a double has fewer bits than the integer.
int compare_mixed(int64_t i, double d) {
  if (std::isnan(d)) return 2;
  if (d >= 9223372036854775808.0) return -1;
  if (d < -9223372036854775808.0) return 1;
  const auto whole = static_cast<int64_t>(d);
  if (i != whole) return i < whole ? -1 : 1;
  const double rest = d - static_cast<double>(whole);
  return rest > 0 ? -1 : rest < 0 ? 1 : 0;
}

int compare_numbers(const Value& a, const Value& b) {
  if (a.is_int() && b.is_int()) return a.as_int() < b.as_int() ? -1 : a.as_int() > b.as_int();
  if (a.is_int()) return compare_mixed(a.as_int(), b.as_real());
  if (b.is_int()) {
    const int c = compare_mixed(b.as_int(), a.as_real());
    return c == 2 ? 2 : -c;
  }
  const double x = a.as_real(), y = b.as_real();
  if (std::isnan(x) || std::isnan(y)) return 2;
  return x < y ? -1 : x > y;
}

int compare_sequences(Runtime& rt, const Value& a, const Value& b, std::string_view op) {
  Runtime::Deeper deeper(rt);
  const auto &x = a.items(), &y = b.items();
  for (size_t i = 0; i < std::min(x.size(), y.size()); ++i)
    if (!equal(rt, x[i], y[i])) return compare(rt, x[i], y[i], op);
  return x.size() < y.size() ? -1 : x.size() > y.size();
}

bool big_negative(const Value& v) {
  return v.as<StringObj>().text[0] == '-';
}

/// Digits beyond 64 bits against another integer or float.
int compare_big(const Value& a, const Value& b) {
  if (!b.is(Kind::kBigInt)) {
    if (b.is(Kind::kFloat)) {
      const double x = std::strtod(a.as<StringObj>().text.c_str(), nullptr), y = b.as_real();
      return std::isnan(y) ? 2 : x < y ? -1 : x > y;
    }
    return big_negative(a) ? -1 : 1;
  }
  const std::string &x = a.as<StringObj>().text, &y = b.as<StringObj>().text;
  if (big_negative(a) != big_negative(b)) return big_negative(a) ? -1 : 1;
  const int sign = big_negative(a) ? -1 : 1;
  if (x.size() != y.size()) return x.size() < y.size() ? -sign : sign;
  const int c = x.compare(y);
  return c < 0 ? -sign : c > 0 ? sign : 0;
}

}  // namespace

bool equal(Runtime& rt, const Value& a, const Value& b) {
  rt.step();
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kBigInt:
      return a.as<StringObj>().text == b.as<StringObj>().text;
    case Kind::kString:
      rt.step_text(std::min(a.text().size(), b.text().size()));
      return a.text() == b.text();
    case Kind::kList:
    case Kind::kTuple:
      return a.object() == b.object() || equal_sequences(rt, a.items(), b.items());
    case Kind::kDict:
      return a.object() == b.object() || equal_dicts(rt, a.as<DictObj>(), b.as<DictObj>());
    case Kind::kRange: {
      const auto &x = a.as<RangeObj>(), &y = b.as<RangeObj>();
      return x.size == y.size && (x.size == 0 || (x.start == y.start && (x.size == 1 || x.step == y.step)));
    }
    case Kind::kFunction:
      return a.as_int() == b.as_int();
    case Kind::kMethod:
      return a.as<MethodObj>().info == b.as<MethodObj>().info &&
             a.as<MethodObj>().self.same_as(b.as<MethodObj>().self);
    default:
      return a.object() == b.object();
  }
}

int compare(Runtime& rt, const Value& a, const Value& b, std::string_view op) {
  rt.step();
  if (a.is_number() && b.is_number()) return compare_numbers(a, b);
  if (a.is(Kind::kBigInt) && (b.is_number() || b.is(Kind::kBigInt))) return compare_big(a, b);
  if (b.is(Kind::kBigInt) && a.is_number()) {
    const int c = compare_big(b, a);
    return c == 2 ? 2 : -c;
  }
  if (a.is_undefined()) fail_undefined(rt, a);
  if (b.is_undefined()) fail_undefined(rt, b);
  if (a.is_string() && b.is_string()) {
    rt.step_text(std::min(a.text().size(), b.text().size()));
    const int c = a.text().compare(b.text());  // bytes of UTF-8 sort as code points do
    return c < 0 ? -1 : c > 0;
  }
  if (a.kind() == b.kind() && a.is_sequence()) return compare_sequences(rt, a, b, op);
  rt.fail("'{}' not supported between instances of '{}' and '{}'", op, type_name(a), type_name(b));
}

bool compare_op(Interp& in, Op op, const Value& a, const Value& b) {
  switch (op) {
    case Op::kEq:
      return equal(in, a, b);
    case Op::kNe:
      return !equal(in, a, b);
    case Op::kLt:
      return compare(in, a, b, "<") == -1;
    case Op::kGt:
      return compare(in, a, b, ">") == 1;
    case Op::kLe: {
      const int c = compare(in, a, b, "<=");
      return c == -1 || c == 0;
    }
    case Op::kGe: {
      const int c = compare(in, a, b, ">=");
      return c == 1 || c == 0;
    }
    case Op::kIn:
      return contains(in, b, a);
    default:
      return !contains(in, b, a);
  }
}

bool contains(Interp& in, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::kString: {
      if (item.is_undefined()) fail_undefined(in, item);
      if (!item.is_string())
        in.fail("'in <string>' requires string as left operand, not {}", type_name(item));
      const std::string &hay = container.text(), &needle = item.text();
      in.step_text(hay.size());
      return needle.empty() || memmem(hay.data(), hay.size(), needle.data(), needle.size()) != nullptr;
    }
    case Kind::kDict:
      return container.as<DictObj>().find(in, item) != nullptr;
    case Kind::kView:
      if (container.as<ViewObj>().view == ViewKind::kKeys)
        return container.as<ViewObj>().dict.as<DictObj>().find(in, item) != nullptr;
      break;
    case Kind::kUndefined:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kRange:
    case Kind::kGenerator:
      break;
    default:
      in.fail("argument of type '{}' is not iterable", type_name(container));
  }
  Iter it(in, container);
  for (Value v; it.next(in, &v);)
    if (v.same_as(item) || equal(in, v, item)) return true;
  return false;
}

uint64_t hash_text(std::string_view s) {
  uint64_t h = 0xcbf29ce484222325u;
  for (char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h ^ (h >> 29);
}

uint64_t hash(Runtime& rt, const Value& v) {
  rt.step();
  switch (v.kind()) {
    case Kind::kString:
    case Kind::kBigInt:
      rt.step_text(v.as<StringObj>().text.size());
      return hash_text(v.as<StringObj>().text);
    case Kind::kBool:
    case Kind::kInt:
      return static_cast<uint64_t>(v.as_int()) * 0x9e3779b97f4a7c15u;
    case Kind::kFloat: {
      const double d = v.as_real();
      if (d >= -9.2e18 && d <= 9.2e18 && d == std::trunc(d))  // equal to an integer: the same hash
        return static_cast<uint64_t>(static_cast<int64_t>(d)) * 0x9e3779b97f4a7c15u;
      return std::bit_cast<uint64_t>(d) * 0x9e3779b97f4a7c15u;
    }
    case Kind::kMissing:
    case Kind::kUndefined:
      return 3;
    case Kind::kNone:
      return 5;
    case Kind::kTuple: {
      Runtime::Deeper deeper(rt);
      uint64_t h = 7;
      for (const Value& x : v.items()) h = (h ^ hash(rt, x)) * 0x100000001b3u;
      return h;
    }
    case Kind::kList:
    case Kind::kDict:
    case Kind::kView:
      rt.fail("unhashable type: '{}'", type_name(v));
    case Kind::kFunction:
      return static_cast<uint64_t>(v.as_int()) + 11;
    default:
      return 13;  // compared by identity; too rare to deserve an address
  }
}

int64_t length(Runtime& rt, const Value& v) {
  switch (v.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString: {
      const auto& s = v.as<StringObj>();
      if (s.length < 0) {
        rt.step_text(s.text.size());
        s.length = utf8_count(s.text);
      }
      return s.length;
    }
    case Kind::kList:
    case Kind::kTuple:
      return static_cast<int64_t>(v.items().size());
    case Kind::kDict:
      return static_cast<int64_t>(v.as<DictObj>().entries.size());
    case Kind::kView:
      return static_cast<int64_t>(v.as<ViewObj>().dict.as<DictObj>().entries.size());
    case Kind::kRange:
      return v.as<RangeObj>().size;
    case Kind::kLoop:
      return static_cast<Interp&>(rt).loop_length(v);
    default:
      rt.fail("object of type '{}' has no len()", type_name(v));
  }
}

std::vector<Value> to_list(Interp& in, const Value& v) {
  std::vector<Value> out;
  Iter it(in, v);
  for (Value x; it.next(in, &x);) {
    in.check_room(out.size() * sizeof(Value) * 2);
    out.push_back(std::move(x));
  }
  return out;
}

const std::string& need_text(Runtime& rt, const Value& v, std::string_view what) {
  if (v.is_undefined()) fail_undefined(rt, v);
  if (!v.is_string()) rt.fail("{} must be a string, not '{}'", what, type_name(v));
  return v.text();
}

int64_t need_int(Runtime& rt, const Value& v, std::string_view what) {
  if (v.is_undefined()) fail_undefined(rt, v);
  if (!v.is_int()) rt.fail("{} must be an integer, not '{}'", what, type_name(v));
  return v.as_int();
}

void sort_by(Runtime& rt, std::vector<Value>& items, std::vector<Value>& keys, bool reverse) {
  const size_t n = items.size();
  rt.check_room(n * (2 * sizeof(size_t) + 2 * sizeof(Value)));
  std::vector<size_t> order(n), merged(n);
  for (size_t i = 0; i < n; ++i) order[i] = i;
  // Python reverses by reversing before and after, which keeps equal items in their order: a later item
  // goes first only when it is strictly beyond.
  const auto goes_first = [&](size_t later, size_t earlier) {
    return compare(rt, keys[reverse ? earlier : later], keys[reverse ? later : earlier]) == -1;
  };
  for (size_t width = 1; width < n; width *= 2) {
    for (size_t lo = 0; lo < n; lo += 2 * width) {
      const size_t mid = std::min(lo + width, n), hi = std::min(lo + 2 * width, n);
      size_t a = lo, b = mid;
      for (size_t k = lo; k < hi; ++k)
        merged[k] = b < hi && (a >= mid || goes_first(order[b], order[a])) ? order[b++] : order[a++];
    }
    std::swap(order, merged);
  }
  std::vector<Value> sorted_items, sorted_keys;
  sorted_items.reserve(n);
  sorted_keys.reserve(n);
  for (size_t i : order) {
    sorted_items.push_back(std::move(items[i]));
    sorted_keys.push_back(std::move(keys[i]));
  }
  items = std::move(sorted_items);
  keys = std::move(sorted_keys);
}

}  // namespace uma::jinja
