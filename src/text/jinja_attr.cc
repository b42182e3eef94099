#include <algorithm>
#include <array>

#include "text/jinja_filters.h"
#include "text/jinja_interp.h"
#include "text/jinja_unicode.h"

namespace uma::jinja {

namespace {

constexpr std::array<std::string_view, 8> kListMutators = {"append", "clear", "pop",    "reverse",
                                                           "insert", "sort",  "extend", "remove"};
constexpr std::array<std::string_view, 5> kDictMutators = {"clear", "pop", "popitem", "setdefault", "update"};

/// Attributes that every Python object has, all closed to templates.
constexpr std::array<std::string_view, 27> kDunders = {
    "__class__",  "__delattr__",      "__dir__",    "__doc__",  "__eq__",           "__format__",
    "__ge__",     "__getattribute__", "__gt__",     "__hash__", "__init__",         "__init_subclass__",
    "__le__",     "__lt__",           "__ne__",     "__new__",  "__reduce__",       "__reduce_ex__",
    "__repr__",   "__setattr__",      "__sizeof__", "__str__",  "__subclasshook__", "__getstate__",
    "__module__", "__dict__",         "__call__"};

bool has(const auto& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The sandbox hides what could change a list or dict, and everything internal.
bool is_unsafe(const Value& obj, std::string_view name) {
  if (obj.is(Kind::kList)) return has(kListMutators, name) || has(kDunders, name);
  if (obj.is(Kind::kDict)) return has(kDictMutators, name) || has(kDunders, name);
  return !obj.is(Kind::kNamespace) && has(kDunders, name);
}

std::string_view described(const Value& v) {
  return v.is_none() ? "None" : type_name(v);
}

Value no_attribute(Runtime& rt, const Value& obj, std::string_view name) {
  return rt.undefined(
      fmt::format("'{}{}' has no attribute '{}'", described(obj), obj.is_none() ? "" : " object", name));
}

Value group_field(const Value& obj, std::string_view name) {
  if (!obj.as<SeqObj>().grouped) return Value::missing();
  if (name == "grouper") return obj.items()[0];
  return name == "list" ? obj.items()[1] : Value::missing();
}

Value range_field(const Value& obj, std::string_view name) {
  const auto& r = obj.as<RangeObj>();
  if (name == "start") return Value::integer(r.start);
  if (name == "stop") return Value::integer(r.stop);
  return name == "step" ? Value::integer(r.step) : Value::missing();
}

/// The parts of an int as a complex number and as a fraction.
Value number_field(const Value& v, std::string_view name) {
  if (v.is_int()) {
    if (name == "real" || name == "numerator") return Value::integer(v.as_int());
    if (name == "imag") return Value::integer(0);
    if (name == "denominator") return Value::integer(1);
  } else {
    if (name == "real") return v;
    if (name == "imag") return Value::real(0);
  }
  return Value::missing();
}

/// obj[i] with Python's negative indices; kMissing where there is no such item.
Value at_index(Runtime& rt, const Value& obj, int64_t i) {
  if (obj.is(Kind::kGenerator) || obj.is(Kind::kView)) return Value::missing();
  const int64_t n = length(rt, obj);
  if (i < 0) i += n;
  if (i < 0 || i >= n) return Value::missing();
  if (obj.is_sequence()) return obj.items()[static_cast<size_t>(i)];
  if (obj.is(Kind::kRange)) return Value::integer(obj.as<RangeObj>().at(i));
  const std::string& s = obj.text();
  size_t at = static_cast<size_t>(i);
  if (static_cast<size_t>(n) != s.size()) {
    at = utf8_offset(s, i);
    rt.step_text(at);
  }
  Value c = rt.str(s.substr(at, utf8_length(static_cast<unsigned char>(s[at]))));
  c.as<StringObj>().markup = obj.as<StringObj>().markup;
  return c;
}

/// obj[key] of Python, or kMissing where that raises TypeError or LookupError.
Value python_item(Interp& in, const Value& obj, const Value& key) {
  switch (obj.kind()) {
    case Kind::kUndefined:
      fail_undefined(in, obj);
    case Kind::kDict: {
      if (key.is(Kind::kList) || key.is(Kind::kDict)) return Value::missing();
      const auto& dict = obj.as<DictObj>();
      const Value* v = key.is_string() ? dict.find(key.text()) : dict.find(in, key);
      return v ? *v : Value::missing();
    }
    case Kind::kString:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kRange:
      return key.is_int() ? at_index(in, obj, key.as_int()) : Value::missing();
    default:
      return Value::missing();
  }
}

Value slice_text(Runtime& rt, const Value& obj, const RangeObj& range, int64_t n) {
  const std::string& s = obj.text();
  std::string out;
  if (range.step == 1) {
    const bool ascii = static_cast<size_t>(n) == s.size();
    const size_t a = ascii ? static_cast<size_t>(range.start) : utf8_offset(s, range.start);
    out = s.substr(
        a, ascii ? static_cast<size_t>(range.size) : utf8_offset(std::string_view(s).substr(a), range.size));
    rt.step_text(ascii ? 0 : a + out.size());
  } else {
    rt.step_text(s.size());
    std::vector<size_t> offsets;  // of the code points
    rt.check_room(static_cast<size_t>(n) * sizeof(size_t) + s.size());
    for (size_t i = 0; i < s.size(); i += utf8_length(static_cast<unsigned char>(s[i]))) offsets.push_back(i);
    for (int64_t i = 0; i < range.size; ++i) {
      const size_t at = offsets[static_cast<size_t>(range.at(i))];
      out.append(s, at, utf8_length(static_cast<unsigned char>(s[at])));
    }
  }
  return obj.as<StringObj>().markup ? rt.markup(std::move(out)) : rt.str(std::move(out));
}

}  // namespace

Value python_attr(Interp& in, const Value& obj, std::string_view name) {
  Value v = Value::missing();
  switch (obj.kind()) {
    case Kind::kNamespace: {
      const Value* field = obj.as<NamespaceObj>().dict->find(name);
      return field ? *field : Value::missing();
    }
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      v = number_field(obj, name);
      break;
    case Kind::kTuple:
      v = group_field(obj, name);
      break;
    case Kind::kRange:
      v = range_field(obj, name);
      break;
    case Kind::kLoop:
      v = in.loop_attr(obj, name);
      break;
    case Kind::kMacro:
      v = in.macro_attr(obj, name);
      break;
    case Kind::kCycler:
      if (name == "current") v = obj.as<CyclerObj>().items[obj.as<CyclerObj>().pos];
      break;
    default:
      break;
  }
  if (!v.is_missing()) return v;
  const MethodInfo* method = find_method(obj, name);
  return method ? Value(in.make<MethodObj>(obj, method)) : Value::missing();
}

Value get_attr(Interp& in, const Value& obj, std::string_view name) {
  if (obj.is_undefined() && !has(kDunders, name)) fail_undefined(in, obj);
  if (is_unsafe(obj, name))
    return in.undefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(obj)));
  Value v = python_attr(in, obj, name);
  if (!v.is_missing()) return v;
  if (obj.is(Kind::kDict))
    if (const Value* item = obj.as<DictObj>().find(name)) return *item;
  return no_attribute(in, obj, name);
}

Value get_item(Interp& in, const Value& obj, const Value& key) {
  Value v = python_item(in, obj, key);
  if (!v.is_missing()) return v;
  if (!key.is_string())
    return in.undefined(fmt::format("{}{} has no element {}", described(obj), obj.is_none() ? "" : " object",
                                    repr(in, key).substr(0, 200)));
  const std::string& name = key.text();
  if (is_unsafe(obj, name))
    return in.undefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(obj)));
  v = python_attr(in, obj, name);
  return v.is_missing() ? no_attribute(in, obj, std::string_view(name).substr(0, 200)) : v;
}

Value get_slice(Runtime& rt, const Value& obj, const Value& start_v, const Value& stop_v,
                const Value& step_v) {
  if (obj.is_undefined()) fail_undefined(rt, obj);
  if (!obj.is_string() && !obj.is_sequence() && !obj.is(Kind::kRange)) {
    if (obj.is(Kind::kDict)) rt.fail("unhashable type: 'slice'");
    rt.fail("'{}' object is not subscriptable", type_name(obj));
  }
  const auto part = [&](const Value& v, int64_t fallback) {
    return v.is_none() ? fallback : need_int(rt, v, "a slice index");
  };
  const int64_t n = length(rt, obj), step = std::max<int64_t>(part(step_v, 1), -INT64_MAX);
  if (step == 0) rt.fail("slice step cannot be zero");
  const int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
  const auto bound = [&](const Value& v, int64_t fallback) {
    if (v.is_none()) return fallback;
    const int64_t i = part(v, 0);
    return std::clamp(i < 0 ? i + n : i, low, high);
  };
  const int64_t start = bound(start_v, step < 0 ? high : low), stop = bound(stop_v, step < 0 ? low : high);
  const auto range = rt.make<RangeObj>(start, stop, step);
  rt.step(1 + static_cast<uint64_t>(range->size) / 16);
  if (obj.is_string()) return slice_text(rt, obj, *range, n);
  if (obj.is(Kind::kRange)) {
    const auto& r = obj.as<RangeObj>();
    const auto stride = static_cast<int64_t>(static_cast<uint64_t>(r.step) * static_cast<uint64_t>(step));
    return Value(rt.make<RangeObj>(r.at(start), r.at(stop), stride == 0 ? 1 : stride));
  }
  std::vector<Value> out;
  out.reserve(static_cast<size_t>(range->size));
  for (int64_t i = 0; i < range->size; ++i) out.push_back(obj.items()[static_cast<size_t>(range->at(i))]);
  return obj.is(Kind::kList) ? rt.list(std::move(out)) : rt.tuple(std::move(out));
}

}  // namespace uma::jinja
