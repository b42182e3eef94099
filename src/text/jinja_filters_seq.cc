// Filters on sequences and mappings that answer at once.
#include <algorithm>

#include "text/jinja_attrgetter.h"
#include "text/jinja_filters.h"
#include "text/jinja_unicode.h"

namespace uma::jinja {

AttrGetter::AttrGetter(Interp& in, const Value& path, bool fold, Value fallback)
    : fold_(fold), fallback_(std::move(fallback)) {
  if (path.is_missing() || path.is_none()) return;
  if (!path.is_string()) {
    parts_.push_back(path);
    return;
  }
  std::string_view rest = path.text();
  for (;;) {
    const size_t end = std::min(rest.find('.'), rest.size());
    const std::string_view part = rest.substr(0, end);
    const bool number =
        !part.empty() && part.size() < 18 && part.find_first_not_of("0123456789") == part.npos;
    parts_.push_back(number ? Value::integer(std::stoll(std::string(part))) : in.str(part));
    if (end == rest.size()) return;
    rest.remove_prefix(end + 1);
  }
}

Value AttrGetter::get(Interp& in, Value item) const {
  for (const Value& part : parts_) {
    item = get_item(in, item, part);
    if (item.is_undefined() && !fallback_.is_missing() && !fallback_.is_none()) item = fallback_;
  }
  if (fold_ && item.is_string()) {
    in.step_text(item.text().size());
    return in.str(lower(item.text()));
  }
  return item;
}

namespace {

bool given(const Value& v) {
  return !v.is_missing();
}
bool flag(const Value& v) {
  return given(v) && truthy(v);
}

Value length_of(Interp& in, Args& a) {
  return Value::integer(length(in, a[0]));
}

Value list(Interp& in, Args& a) {
  return in.list(to_list(in, a[0]));
}

Value first(Interp& in, Args& a) {
  Iter it(in, a[0]);
  Value v;
  return it.next(in, &v) ? v : in.undefined("No first item, sequence was empty.");
}

Value last(Interp& in, Args& a) {
  const Value& v = a[0];
  if (v.is(Kind::kGenerator)) in.fail("'{}' object is not reversible", type_name(v));
  if (v.is_string() || v.is_sequence() || v.is(Kind::kRange)) {
    const int64_t n = length(in, v);
    return n ? get_item(in, v, Value::integer(n - 1)) : in.undefined("No last item, sequence was empty.");
  }
  const auto items = to_list(in, v);
  return items.empty() ? in.undefined("No last item, sequence was empty.") : items.back();
}

Value join(Interp& in, Args& a) {
  const std::string by = given(a[1]) ? to_str(in, a[1]) : "";
  const AttrGetter getter(in, a[2], false);
  TextBuilder out(in);
  Iter it(in, a[0]);
  bool again = false;
  for (Value v; it.next(in, &v); again = true) {
    if (again) out.add(by);
    add_str(out, in, getter.get(in, std::move(v)));
  }
  return in.str(out.take());
}

/// keys[i] belongs to items[i].
struct Keyed {
  std::vector<Value> items, keys;
};

Keyed keyed(Interp& in, const Value& iterable, const AttrGetter& getter) {
  Keyed k;
  k.items = to_list(in, iterable);
  in.check_room(k.items.size() * sizeof(Value));
  for (const Value& v : k.items) k.keys.push_back(getter.get(in, v));
  return k;
}

/// sort(attribute="a,b") sorts by several attributes.
Value sort(Interp& in, Args& a) {
  const bool fold = !flag(a[2]);
  std::vector<AttrGetter> getters;
  if (given(a[3]) && a[3].is_string()) {
    for (const Value& path : {a[3]}) {
      std::string_view rest = path.text();
      for (bool more = true; more;) {
        const size_t end = std::min(rest.find(','), rest.size());
        getters.emplace_back(in, in.str(rest.substr(0, end)), fold);
        more = end < rest.size();
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    }
  } else {
    getters.emplace_back(in, a[3], fold);
  }
  Keyed k;
  k.items = to_list(in, a[0]);
  k.keys.reserve(k.items.size());
  for (const Value& v : k.items) {
    std::vector<Value> parts;
    parts.reserve(getters.size());
    for (const AttrGetter& g : getters) parts.push_back(g.get(in, v));
    k.keys.push_back(in.list(std::move(parts)));
  }
  sort_by(in, k.items, k.keys, flag(a[1]));
  return in.list(std::move(k.items));
}

Value dictsort(Interp& in, Args& a) {
  if (a[0].is_undefined()) fail_undefined(in, a[0]);
  if (!a[0].is(Kind::kDict)) in.fail("'{}' object has no attribute 'items'", type_name(a[0]));
  const std::string by = given(a[2]) ? to_str(in, a[2]) : "key";
  if (by != "key" && by != "value") in.fail("You can only sort by either \"key\" or \"value\"");
  const AttrGetter key(in, Value::none(), !flag(a[1]));
  Keyed k;
  for (const auto& e : a[0].as<DictObj>().entries) {
    k.items.push_back(in.tuple({e.key, e.value}));
    k.keys.push_back(key.get(in, by == "key" ? e.key : e.value));
  }
  sort_by(in, k.items, k.keys, flag(a[3]));
  return in.list(std::move(k.items));
}

Value groupby(Interp& in, Args& a) {
  const bool fold = !flag(a[3]);
  const Value fallback = given(a[2]) ? a[2] : Value::none();
  Keyed k = keyed(in, a[0], AttrGetter(in, a[1], fold, fallback));
  sort_by(in, k.items, k.keys, false);
  const AttrGetter plain(in, a[1], false, fallback);
  std::vector<Value> groups;
  for (size_t i = 0; i < k.items.size();) {
    size_t end = i + 1;
    while (end < k.items.size() && equal(in, k.keys[i], k.keys[end])) ++end;
    const auto begin = k.items.begin() + static_cast<ptrdiff_t>(i);
    Value members = in.list({begin, k.items.begin() + static_cast<ptrdiff_t>(end)});
    Value group = in.tuple({fold ? plain.get(in, k.items[i]) : k.keys[i], std::move(members)});
    group.as<SeqObj>().grouped = true;
    groups.push_back(std::move(group));
    i = end;
  }
  return in.list(std::move(groups));
}

template <bool Max>
Value extreme(Interp& in, Args& a) {
  Keyed k = keyed(in, a[0], AttrGetter(in, a[2], !flag(a[1])));
  if (k.items.empty()) return in.undefined("No aggregated item, sequence was empty.");
  size_t best = 0;
  for (size_t i = 1; i < k.items.size(); ++i)
    if (compare(in, k.keys[i], k.keys[best], Max ? ">" : "<") == (Max ? 1 : -1)) best = i;
  return k.items[best];
}

Value sum(Interp& in, Args& a) {
  const AttrGetter getter(in, a[1], false);
  Value total = given(a[2]) ? a[2] : Value::integer(0);
  if (total.is_string()) in.fail("sum() can't sum strings [use ''.join(seq) instead]");
  Iter it(in, a[0]);
  for (Value v; it.next(in, &v);) total = arithmetic(in, Op::kAdd, total, getter.get(in, std::move(v)));
  return total;
}

Value reverse(Interp& in, Args& a) {
  const Value& v = a[0];
  if (v.is_string()) return get_slice(in, v, Value::none(), Value::none(), Value::integer(-1));
  const bool reversible =
      v.is_undefined() || v.is_sequence() || v.is(Kind::kRange) || v.is(Kind::kDict) || v.is(Kind::kView);
  if (!reversible && !v.is(Kind::kGenerator)) in.fail("argument must be iterable");
  auto items = to_list(in, v);
  std::reverse(items.begin(), items.end());
  Value reversed = in.list(std::move(items));
  if (!reversible) return reversed;
  return in.generator(
      [reversed, i = size_t{0}](Interp&, Value* out) mutable {
        if (i >= reversed.items().size()) return false;
        *out = reversed.items()[i++];
        return true;
      },
      v.is(Kind::kList) ? "list_reverseiterator" : "reversed");
}

Value attr(Interp& in, Args& a) {
  if (a[0].is_undefined()) fail_undefined(in, a[0]);
  const std::string& name = need_text(in, a[1], "the attribute's name");
  if (!python_attr(in, a[0], name).is_missing()) return get_attr(in, a[0], name);
  return in.undefined(fmt::format("'{} object' has no attribute '{}'", type_name(a[0]), name.substr(0, 200)));
}

constexpr FilterInfo kFilters[] = {
    {"attr", {"obj name", 2}, attr},
    {"count", {"obj", 1, true}, length_of},
    {"dictsort", {"value case_sensitive by reverse", 1}, dictsort},
    {"first", {"seq", 1}, first},
    {"groupby", {"value attribute default case_sensitive", 2}, groupby},
    {"join", {"value d attribute", 1}, join},
    {"last", {"seq", 1}, last},
    {"length", {"obj", 1, true}, length_of},
    {"list", {"value", 1}, list},
    {"max", {"value case_sensitive attribute", 1}, extreme<true>},
    {"min", {"value case_sensitive attribute", 1}, extreme<false>},
    {"reverse", {"value", 1}, reverse},
    {"sort", {"value reverse case_sensitive attribute", 1}, sort},
    {"sum", {"iterable attribute start", 1}, sum},
};

}  // namespace

std::span<const FilterInfo> sequence_filters() {
  return kFilters;
}

}  // namespace uma::jinja
