// Methods of everything but str, and the global functions.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <ctime>

#include "text/jinja_filters.h"
#include "text/jinja_interp.h"

namespace uma::jinja {

namespace {

const DictObj& dict_of(const Value& v) {
  return v.as<DictObj>();
}

template <ViewKind V>
Value dict_view(Interp& in, const Value& self, Args&) {
  return Value(in.make<ViewObj>(self, V));
}

Value dict_get(Interp& in, const Value& self, Args& a) {
  const Value* v = dict_of(self).find(in, a[0]);
  return v ? *v : a[1].is_missing() ? Value::none() : a[1];
}

Value dict_copy(Interp& in, const Value& self, Args&) {
  const auto copy = in.make<DictObj>();
  for (const auto& e : dict_of(self).entries) copy->set(in, e.key, e.value);
  return Value(copy);
}

Value dict_fromkeys(Interp& in, const Value&, Args& a) {
  const auto dict = in.make<DictObj>();
  Iter it(in, a[0]);
  for (Value key; it.next(in, &key);) dict->set(in, key, a[1].is_missing() ? Value::none() : a[1]);
  return Value(dict);
}

Value seq_count(Interp& in, const Value& self, Args& a) {
  int64_t n = 0;
  Iter it(in, self);
  for (Value v; it.next(in, &v);) n += equal(in, v, a[0]);
  return Value::integer(n);
}

Value seq_index(Interp& in, const Value& self, Args& a) {
  const int64_t n = length(in, self);
  const auto bound = [&](const Value& v, int64_t fallback) {
    const int64_t i = v.is_missing() ? fallback : need_int(in, v, "an index");
    return i < 0 ? std::max<int64_t>(i + n, 0) : std::min(i, n);
  };
  const int64_t stop = bound(a[2], n);
  for (int64_t i = bound(a[1], 0); i < stop; ++i)
    if (equal(in, get_item(in, self, Value::integer(i)), a[0])) return Value::integer(i);
  in.fail("{} is not in {}", repr(in, a[0]).substr(0, 200), type_name(self));
}

Value list_copy(Interp& in, const Value& self, Args&) {
  return in.list(self.items());
}

Value int_bit_length(Interp&, const Value& self, Args&) {
  const int64_t i = self.as_int();
  const uint64_t magnitude = i < 0 ? 0 - static_cast<uint64_t>(i) : static_cast<uint64_t>(i);
  return Value::integer(std::bit_width(magnitude));
}

Value int_itself(Interp&, const Value& self, Args&) {
  return Value::integer(self.as_int());
}

Value float_is_integer(Interp&, const Value& self, Args&) {
  return Value::boolean(std::isfinite(self.as_real()) && self.as_real() == std::floor(self.as_real()));
}

Value cycler_next(Interp&, const Value& self, Args&) {
  auto& c = self.as<CyclerObj>();
  Value v = c.items[c.pos];
  c.pos = (c.pos + 1) % c.items.size();
  return v;
}

Value cycler_reset(Interp&, const Value& self, Args&) {
  self.as<CyclerObj>().pos = 0;
  return Value::none();
}

constexpr Params kNone = {"", 0, true};
constexpr MethodInfo kDictMethods[] = {{"keys", kNone, dict_view<ViewKind::kKeys>},
                                       {"values", kNone, dict_view<ViewKind::kValues>},
                                       {"items", kNone, dict_view<ViewKind::kItems>},
                                       {"get", {"key default", 1, true}, dict_get},
                                       {"copy", kNone, dict_copy},
                                       {"fromkeys", {"iterable value", 1, true}, dict_fromkeys}};
constexpr MethodInfo kSeqMethods[] = {{"count", {"value", 1, true}, seq_count},
                                      {"index", {"value start stop", 1, true}, seq_index},
                                      {"copy", kNone, list_copy}};
constexpr MethodInfo kIntMethods[] = {{"bit_length", kNone, int_bit_length},
                                      {"conjugate", kNone, int_itself}};
constexpr MethodInfo kFloatMethods[] = {{"is_integer", kNone, float_is_integer}};
constexpr MethodInfo kCyclerMethods[] = {{"next", kNone, cycler_next}, {"reset", kNone, cycler_reset}};
constexpr MethodInfo kDictFunctionMethods[] = {{"fromkeys", {"iterable value", 1, true}, dict_fromkeys}};

const MethodInfo* among(std::span<const MethodInfo> methods, std::string_view name) {
  const auto m = std::find_if(methods.begin(), methods.end(), [&](const auto& i) { return i.name == name; });
  return m == methods.end() ? nullptr : &*m;
}

Value range(Interp& in, Args& args) {
  bind_args(in, "range", {"start stop step", 1, true}, args);
  const bool one = args[1].is_missing();
  const int64_t start = one ? 0 : need_int(in, args[0], "range() argument");
  const int64_t stop = need_int(in, args[one ? 0 : 1], "range() argument");
  const int64_t step = args[2].is_missing() ? 1 : need_int(in, args[2], "range() argument");
  if (step == 0) in.fail("range() arg 3 must not be zero");
  const auto r = in.make<RangeObj>(start, stop, step);
  constexpr int64_t kMaxRange = 100'000;  // Jinja's sandbox has the same bound
  if (r->size > kMaxRange)
    in.raise(ErrorCode::kLimit,
             fmt::format("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", kMaxRange));
  return Value(r);
}

Value dict(Interp& in, Args& args) {
  const auto d = in.make<DictObj>();
  if (args.pos.size() > 1) in.fail("dict expected at most 1 argument, got {}", args.pos.size());
  if (!args.pos.empty()) {
    const Value& from = args[0];
    if (from.is_undefined()) fail_undefined(in, from);
    Iter it(in, from);
    for (Value v; it.next(in, &v);) {
      if (from.is(Kind::kDict)) {
        d->set(in, v, *dict_of(from).find(in, v));
        continue;
      }
      const std::vector<Value> pair = to_list(in, v);
      if (pair.size() != 2)
        in.fail("dictionary update sequence element has length {}; 2 is required", pair.size());
      d->set(in, pair[0], pair[1]);
    }
  }
  for (auto& [name, v] : args.kw) d->set(in, in.str(name), std::move(v));
  return Value(d);
}

Value make_namespace(Interp& in, Args& args) {
  const Value fields = dict(in, args);
  const auto ns = in.make<NamespaceObj>();
  for (const auto& e : dict_of(fields).entries) ns->set(in, e.key, e.value);
  return Value(ns);
}

Value raise_exception(Interp& in, Args& args) {
  bind_args(in, "raise_exception", {"message", 1}, args);
  in.fail("{}", to_str(in, args[0]));
}

Value strftime_now(Interp& in, Args& args) {
  bind_args(in, "strftime_now", {"format", 1}, args);
  const std::string& format = need_text(in, args[0], "the format");
  const std::time_t now = in.now_s() ? static_cast<std::time_t>(*in.now_s()) : std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  if (format.empty()) return in.str("");
  // A leading blank tells an empty result from one that did not fit. No field is longer than 64 bytes.
  const std::string with_blank = " " + format;
  in.check_room(with_blank.size() * 64);
  in.step(with_blank.size());
  std::string text(64 + with_blank.size() * 64, '\0');
  const size_t n = std::strftime(text.data(), text.size(), with_blank.c_str(), &local);
  return in.str(n ? text.substr(1, n - 1) : std::string());
}

Value cycler(Interp& in, Args& args) {
  if (args.pos.empty()) in.fail("at least one item has to be provided");
  return Value(in.make<CyclerObj>(std::move(args.pos)));
}

Value joiner(Interp& in, Args& args) {
  bind_args(in, "joiner", {"sep"}, args);
  return Value(in.make<JoinerObj>(args[0].is_missing() ? in.str(", ") : args[0]));
}

Value lipsum(Interp& in, Args&) {
  in.raise(ErrorCode::kUnsupported, "lipsum makes random text, which no chat template can want");
}

struct Function {
  std::string_view name;
  Value (*call)(Interp&, Args&);
};
constexpr Function kFunctions[] = {{"range", range},
                                   {"dict", dict},
                                   {"cycler", cycler},
                                   {"joiner", joiner},
                                   {"lipsum", lipsum},
                                   {"namespace", make_namespace},
                                   {"raise_exception", raise_exception},
                                   {"strftime_now", strftime_now}};

}  // namespace

const MethodInfo* find_method(const Value& self, std::string_view name) {
  switch (self.kind()) {
    case Kind::kString:
      return find_text_method(name);
    case Kind::kDict:
      return among(kDictMethods, name);
    case Kind::kList:
      return among(kSeqMethods, name);
    case Kind::kTuple:
    case Kind::kRange:
      return name == "copy" ? nullptr : among(kSeqMethods, name);
    case Kind::kBool:
    case Kind::kInt:
      return among(kIntMethods, name);
    case Kind::kFloat:
      return among(kFloatMethods, name);
    case Kind::kCycler:
      return among(kCyclerMethods, name);
    case Kind::kFunction:
      return function_name(static_cast<int>(self.as_int())) == "dict" ? among(kDictFunctionMethods, name)
                                                                      : nullptr;
    default:
      return nullptr;
  }
}

int find_function(std::string_view name) {
  for (size_t i = 0; i < std::size(kFunctions); ++i)
    if (kFunctions[i].name == name) return static_cast<int>(i);
  return -1;
}

std::string_view function_name(int id) {
  return kFunctions[id].name;
}

Value call_function(Interp& in, int id, Args& args) {
  return kFunctions[id].call(in, args);
}

}  // namespace uma::jinja
