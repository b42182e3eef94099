// Filters that are Python generators in Jinja2: they work as their items are asked for, and only once.
#include <algorithm>
#include <memory>

#include "text/jinja_attrgetter.h"
#include "text/jinja_filters.h"

namespace uma::jinja {

namespace {

bool given(const Value& v) {
  return !v.is_missing();
}

/// The iterator is made on the first pull, so that a fault of the input shows when the items are wanted.
class LazyIter {
 public:
  explicit LazyIter(Value source) : source_(std::move(source)) {}
  bool next(Interp& in, Value* out) {
    if (!iter_) iter_ = std::make_shared<Iter>(in, source_);
    return iter_->next(in, out);
  }

 private:
  Value source_;
  std::shared_ptr<Iter> iter_;
};

Value take_keyword(Args& a, std::string_view name) {
  Value* v = a.keyword(name);
  if (!v) return Value::missing();
  Value taken = std::move(*v);
  std::erase_if(a.kw, [&](const auto& kw) { return kw.first == name; });
  return taken;
}

Value map(Interp& in, Args& a) {
  if (a.pos.empty()) in.fail("map() is missing its argument 'value'");
  Value source = std::move(a.pos[0]);
  a.pos.erase(a.pos.begin());
  return in.generator([items = LazyIter(source), source, a = std::make_shared<Args>(std::move(a)),
                       getter = std::shared_ptr<AttrGetter>(),
                       filter = static_cast<const FilterInfo*>(nullptr)](Interp& rt, Value* out) mutable {
    if (!getter && !filter) {
      if (!truthy(source)) return false;
      if (a->pos.empty() && a->keyword("attribute")) {
        const Value path = take_keyword(*a, "attribute");
        const Value fallback = take_keyword(*a, "default");
        if (!a->kw.empty()) rt.fail("Unexpected keyword argument '{}'", a->kw[0].first);
        getter = std::make_shared<AttrGetter>(rt, path, false, fallback);
      } else {
        if (a->pos.empty()) rt.fail("map requires a filter argument");
        const std::string& name = need_text(rt, a->pos[0], "the name of a filter");
        filter = find_filter(name);
        if (!filter) rt.fail("No filter named '{}'.", name.substr(0, 80));
      }
    }
    Value item;
    if (!items.next(rt, &item)) return false;
    if (getter) {
      *out = getter->get(rt, std::move(item));
      return true;
    }
    Args call = *a;
    call.pos[0] = std::move(item);  // in place of the filter's name
    *out = call_filter(rt, *filter, std::move(call));
    return true;
  });
}

/// select, reject, selectattr, rejectattr.
template <bool Keep, bool ByAttribute>
Value select(Interp& in, Args& a) {
  if (a.pos.empty()) in.fail("select() is missing its argument 'value'");
  Value source = std::move(a.pos[0]);
  a.pos.erase(a.pos.begin());
  return in.generator([items = LazyIter(source), source, a = std::make_shared<Args>(std::move(a)),
                       getter = std::shared_ptr<AttrGetter>(), test = static_cast<const TestInfo*>(nullptr),
                       ready = false](Interp& rt, Value* out) mutable {
    if (!ready) {
      if (!truthy(source)) return false;
      if (ByAttribute) {
        if (a->pos.empty()) rt.fail("Missing parameter for attribute name");
        getter = std::make_shared<AttrGetter>(rt, a->pos[0], false);
        a->pos.erase(a->pos.begin());
      }
      if (!a->pos.empty()) {
        const std::string& name = need_text(rt, a->pos[0], "the name of a test");
        test = find_test(name);
        if (!test) rt.fail("No test named '{}'.", name.substr(0, 80));
      }
      ready = true;
    }
    for (Value item; items.next(rt, &item);) {
      Value subject = getter ? getter->get(rt, item) : item;
      bool holds = false;
      if (test) {
        Args call = *a;
        call.pos[0] = std::move(subject);
        holds = call_test(rt, *test, std::move(call));
      } else {
        holds = truthy(subject);
      }
      if (holds != Keep) continue;
      *out = std::move(item);
      return true;
    }
    return false;
  });
}

Value unique(Interp& in, Args& a) {
  const bool fold = !(given(a[1]) && truthy(a[1]));
  auto getter = std::make_shared<AttrGetter>(in, a[2], fold);
  return in.generator(
      [items = LazyIter(a[0]), getter, seen = in.make<DictObj>()](Interp& rt, Value* out) mutable {
        while (items.next(rt, out)) {
          const Value key = getter->get(rt, *out);
          if (seen->find(rt, key)) continue;
          seen->set(rt, key, Value::none());
          return true;
        }
        return false;
      });
}

Value items(Interp& in, Args& a) {
  return in.generator([source = a[0], i = size_t{0}](Interp& rt, Value* out) mutable {
    if (source.is_undefined()) return false;
    if (!source.is(Kind::kDict)) rt.fail("Can only get item pairs from a mapping.");
    const auto& entries = source.as<DictObj>().entries;
    if (i >= entries.size()) return false;
    *out = rt.tuple({entries[i].key, entries[i].value});
    ++i;
    return true;
  });
}

Value batch(Interp& in, Args& a) {
  return in.generator([source = LazyIter(a[0]), count_value = a[1], fill = a[2], done = false](
                          Interp& rt, Value* out) mutable {
    if (done) return false;
    const int64_t count = need_int(rt, count_value, "linecount");
    std::vector<Value> row;
    Value item;
    // A count below one never fills a row, and Jinja then gives one row of everything.
    while (static_cast<int64_t>(row.size()) != count || row.empty()) {
      if (!source.next(rt, &item)) {
        done = true;
        break;
      }
      rt.check_room(row.size() * sizeof(Value) * 2);
      row.push_back(std::move(item));
    }
    if (row.empty()) return false;
    if (given(fill) && !fill.is_none() && count > static_cast<int64_t>(row.size())) {
      rt.check_room(static_cast<size_t>(count));
      rt.check_room(static_cast<size_t>(count) * sizeof(Value));
      rt.step(static_cast<uint64_t>(count));
      row.resize(static_cast<size_t>(count), fill);
    }
    *out = rt.list(std::move(row));
    return true;
  });
}

Value slice(Interp& in, Args& a) {
  return in.generator([source = a[0], count_value = a[1], fill = a[2], all = Value::missing(), i = int64_t{0},
                       offset = int64_t{0}](Interp& rt, Value* out) mutable {
    if (all.is_missing()) all = rt.list(to_list(rt, source));
    const int64_t slices = need_int(rt, count_value, "slices");
    if (slices == 0) rt.fail("integer division or modulo by zero");
    if (i >= slices) return false;
    const auto n = static_cast<int64_t>(all.items().size());
    const int64_t each = n / slices, extra = n % slices;
    const int64_t start = offset + i * each;
    if (i < extra) ++offset;
    const int64_t end = offset + (i + 1) * each;
    std::vector<Value> part(all.items().begin() + start, all.items().begin() + end);
    if (given(fill) && !fill.is_none() && i >= extra) part.push_back(fill);
    ++i;
    *out = rt.list(std::move(part));
    return true;
  });
}

constexpr FilterInfo kFilters[] = {
    {"batch", {"value linecount fill_with", 2}, batch},
    {"items", {"value", 1}, items},
    {"map", {"*"}, map},
    {"reject", {"*"}, select<false, false>},
    {"rejectattr", {"*"}, select<false, true>},
    {"select", {"*"}, select<true, false>},
    {"selectattr", {"*"}, select<true, true>},
    {"slice", {"value slices fill_with", 2}, slice},
    {"unique", {"value case_sensitive attribute", 1}, unique},
};

}  // namespace

std::span<const FilterInfo> lazy_filters() {
  return kFilters;
}

}  // namespace uma::jinja
