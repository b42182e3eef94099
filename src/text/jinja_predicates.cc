// Tests: what stands behind `is`.
#include <algorithm>
#include <cmath>

#include "text/jinja_filters.h"
#include "text/jinja_interp.h"
#include "text/jinja_unicode.h"

namespace uma::jinja {

namespace {

template <Kind K>
bool is_kind(Interp&, Args& a) {
  return a[0].is(K);
}

bool remainder_is(Interp& in, const Value& v, const Value& by, int64_t wanted) {
  return equal(in, arithmetic(in, Op::kMod, v, by), Value::integer(wanted));
}
bool odd(Interp& in, Args& a) {
  return remainder_is(in, a[0], Value::integer(2), 1);
}
bool even(Interp& in, Args& a) {
  return remainder_is(in, a[0], Value::integer(2), 0);
}
bool divisibleby(Interp& in, Args& a) {
  return remainder_is(in, a[0], a[1], 0);
}

bool defined(Interp&, Args& a) {
  return !a[0].is_undefined();
}
bool is_true(Interp&, Args& a) {
  return a[0].is(Kind::kBool) && a[0].as_bool();
}
bool is_false(Interp&, Args& a) {
  return a[0].is(Kind::kBool) && !a[0].as_bool();
}
bool integer(Interp&, Args& a) {
  return a[0].is(Kind::kInt) || a[0].is(Kind::kBigInt);
}
bool number(Interp&, Args& a) {
  return a[0].is_number() || a[0].is(Kind::kBigInt);
}
bool lower_case(Interp& in, Args& a) {
  return is_lower_text(to_str(in, a[0]));
}
bool upper_case(Interp& in, Args& a) {
  return is_upper_text(to_str(in, a[0]));
}

bool sequence(Interp&, Args& a) {
  const Value& v = a[0];
  return v.is_undefined() || v.is_string() || v.is_sequence() || v.is(Kind::kDict) || v.is(Kind::kRange);
}

bool iterable(Interp&, Args& a) {
  const Value& v = a[0];
  return v.is_undefined() || v.is_string() || v.is_sequence() || v.is(Kind::kDict) || v.is(Kind::kRange) ||
         v.is(Kind::kView) || v.is(Kind::kGenerator) || v.is(Kind::kLoop);
}

bool is_callable(Interp&, Args& a) {
  const Value& v = a[0];
  return v.is(Kind::kMacro) || v.is(Kind::kMethod) || v.is(Kind::kFunction) || v.is(Kind::kLoop) ||
         v.is(Kind::kJoiner) || v.is_undefined();  // Undefined has a __call__, which raises
}

bool same(Interp&, Args& a) {
  return a[0].same_as(a[1]);
}
bool escaped(Interp&, Args& a) {
  return a[0].is_string() && a[0].as<StringObj>().markup;
}
bool is_filter(Interp& in, Args& a) {
  return a[0].is_string() && find_filter(need_text(in, a[0], "a name"));
}
bool is_test(Interp& in, Args& a) {
  return a[0].is_string() && find_test(need_text(in, a[0], "a name"));
}

template <Op O>
bool compared(Interp& in, Args& a) {
  return compare_op(in, O, a[0], a[1]);
}

constexpr Params kOne = {"value", 1};
constexpr Params kTwo = {"a b", 2, true};
constexpr TestInfo kTests[] = {
    {"!=", kTwo, compared<Op::kNe>},
    {"<", kTwo, compared<Op::kLt>},
    {"<=", kTwo, compared<Op::kLe>},
    {"==", kTwo, compared<Op::kEq>},
    {">", kTwo, compared<Op::kGt>},
    {">=", kTwo, compared<Op::kGe>},
    {"boolean", kOne, is_kind<Kind::kBool>},
    {"callable", kOne, is_callable},
    {"defined", kOne, defined},
    {"divisibleby", {"value num", 2}, divisibleby},
    {"eq", kTwo, compared<Op::kEq>},
    {"equalto", kTwo, compared<Op::kEq>},
    {"escaped", kOne, escaped},
    {"even", kOne, even},
    {"false", kOne, is_false},
    {"filter", kOne, is_filter},
    {"float", kOne, is_kind<Kind::kFloat>},
    {"ge", kTwo, compared<Op::kGe>},
    {"greaterthan", kTwo, compared<Op::kGt>},
    {"gt", kTwo, compared<Op::kGt>},
    {"in", {"value seq", 2}, compared<Op::kIn>},
    {"integer", kOne, integer},
    {"iterable", kOne, iterable},
    {"le", kTwo, compared<Op::kLe>},
    {"lessthan", kTwo, compared<Op::kLt>},
    {"lower", kOne, lower_case},
    {"lt", kTwo, compared<Op::kLt>},
    {"mapping", kOne, is_kind<Kind::kDict>},
    {"ne", kTwo, compared<Op::kNe>},
    {"none", kOne, is_kind<Kind::kNone>},
    {"number", kOne, number},
    {"odd", kOne, odd},
    {"sameas", {"value other", 2}, same},
    {"sequence", kOne, sequence},
    {"string", kOne, is_kind<Kind::kString>},
    {"test", kOne, is_test},
    {"true", kOne, is_true},
    {"undefined", kOne, is_kind<Kind::kUndefined>},
    {"upper", kOne, upper_case},
};

}  // namespace

const TestInfo* find_test(std::string_view name) {
  const auto* t =
      std::find_if(std::begin(kTests), std::end(kTests), [&](const auto& i) { return i.name == name; });
  return t == std::end(kTests) ? nullptr : t;
}

bool call_test(Interp& in, const TestInfo& test, Args args) {
  bind_args(in, test.name, test.params, args);
  return test.holds(in, args);
}

}  // namespace uma::jinja
