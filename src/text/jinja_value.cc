#include "text/jinja_value.h"

#include "text/jinja_ops.h"
#include "text/jinja_runtime.h"
#include "text/jinja_unicode.h"

namespace uma::jinja {

namespace {
constexpr size_t kIndexFrom = 9;  // a dict with fewer entries is searched from front to back
}

Object::Object(Runtime& runtime, Kind k, size_t bytes) : rt(&runtime), charged(0), kind(k) {
  runtime.charge(bytes);
  runtime.step(2);  // what an allocation costs next to an evaluated node
  charged = bytes;
}

Object::~Object() {
  rt->credit(charged);
}

void Object::grow(size_t bytes) {
  rt->charge(bytes);
  charged += bytes;
}

void Object::release() {
  if (--refs == 0) rt->bury(this);
}

bool Value::same_as(const Value& o) const {
  if (kind_ != o.kind_) return false;
  switch (kind_) {
    case Kind::kMissing:
    case Kind::kNone:
      return true;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFunction:
      return u_.i == o.u_.i;
    case Kind::kFloat:
      return u_.d == o.u_.d;
    case Kind::kUndefined:
      return u_.o == o.u_.o && u_.o != nullptr;
    case Kind::kString:
      return u_.o == o.u_.o || text() == o.text();  // CPython shares equal literals
    default:
      return u_.o == o.u_.o;
  }
}

UndefinedObj::UndefinedObj(Runtime& r, std::string m)
    : Object(r, Kind::kUndefined, sizeof(*this) + m.size()), message(std::move(m)) {}

StringObj::StringObj(Runtime& r, std::string t, Kind k)
    : Object(r, k, sizeof(*this) + t.capacity()), text(std::move(t)) {
  r.step_text(text.size());
}

SeqObj::SeqObj(Runtime& r, std::vector<Value> v, Kind k)
    : Object(r, k, sizeof(*this) + v.capacity() * sizeof(Value)), items(std::move(v)) {
  r.step(1 + items.size() / 8);
}

DictObj::DictObj(Runtime& r) : Object(r, Kind::kDict, sizeof(*this)) {}

const Value* DictObj::find(std::string_view key) const {
  if (slots_.empty()) {
    for (const Entry& e : entries)
      if (e.key.is_string() && e.key.text() == key) return &e.value;
    return nullptr;
  }
  const uint64_t h = hash_text(key);
  for (size_t i = h & (slots_.size() - 1); slots_[i]; i = (i + 1) & (slots_.size() - 1)) {
    const Entry& e = entries[slots_[i] - 1];
    if (e.hash == h && e.key.is_string() && e.key.text() == key) return &e.value;
  }
  return nullptr;
}

int64_t DictObj::locate(Runtime& r, const Value& key, uint64_t h) const {
  if (slots_.empty()) {
    for (size_t i = 0; i < entries.size(); ++i)
      if (entries[i].hash == h && equal(r, entries[i].key, key)) return static_cast<int64_t>(i);
    return -1;
  }
  for (size_t i = h & (slots_.size() - 1); slots_[i]; i = (i + 1) & (slots_.size() - 1)) {
    r.step();  // a stranger may choose keys that collide
    const Entry& e = entries[slots_[i] - 1];
    if (e.hash == h && equal(r, e.key, key)) return slots_[i] - 1;
  }
  return -1;
}

const Value* DictObj::find(Runtime& r, const Value& key) const {
  const int64_t i = locate(r, key, hash(r, key));
  return i < 0 ? nullptr : &entries[static_cast<size_t>(i)].value;
}

void DictObj::index_entry(size_t i) {
  const size_t mask = slots_.size() - 1;
  size_t at = entries[i].hash & mask;
  while (slots_[at]) at = (at + 1) & mask;
  slots_[at] = static_cast<uint32_t>(i + 1);
}

void DictObj::set(Runtime& r, const Value& key, Value value) {
  const uint64_t h = hash(r, key);
  const int64_t found = locate(r, key, h);
  if (found >= 0) {
    entries[static_cast<size_t>(found)].value = std::move(value);
    return;
  }
  grow(sizeof(Entry) * 2);
  entries.push_back({key, std::move(value), h});
  if (slots_.empty() ? entries.size() >= kIndexFrom : entries.size() * 2 > slots_.size()) {
    const size_t size = slots_.empty() ? kIndexFrom * 4 : slots_.size() * 2;
    size_t power = 1;
    while (power < size) power *= 2;
    grow((power - slots_.size()) * sizeof(uint32_t));
    slots_.assign(power, 0);
    for (size_t i = 0; i < entries.size(); ++i) index_entry(i);
  } else if (!slots_.empty()) {
    index_entry(entries.size() - 1);
  }
}

RangeObj::RangeObj(Runtime& r, int64_t a, int64_t b, int64_t s)
    : Object(r, Kind::kRange, sizeof(*this)), start(a), stop(b), step(s), size(0) {
  const __int128 span = s > 0 ? static_cast<__int128>(b) - a : static_cast<__int128>(a) - b;
  const __int128 stride = s > 0 ? static_cast<__int128>(s) : -static_cast<__int128>(s);
  const __int128 n = span > 0 ? (span + stride - 1) / stride : 0;
  size = n > INT64_MAX ? INT64_MAX : static_cast<int64_t>(n);
}

ViewObj::ViewObj(Runtime& r, Value d, ViewKind v)
    : Object(r, Kind::kView, sizeof(*this)), dict(std::move(d)), view(v) {}

GeneratorObj::GeneratorObj(Runtime& r, Pull p, const char* type)
    : Object(r, Kind::kGenerator, sizeof(*this) + 128), pull(std::move(p)), type_name(type) {}

Linked::Linked(Runtime& r, Kind k, size_t bytes) : Object(r, k, bytes), next(r.linked_) {
  if (next) next->prev = this;
  r.linked_ = this;
}

Linked::~Linked() {
  if (prev) prev->next = next;
  if (next) next->prev = prev;
  if (rt->linked_ == this) rt->linked_ = next;
}

NamespaceObj::NamespaceObj(Runtime& r)
    : Linked(r, Kind::kNamespace, sizeof(*this)), dict(r.make<DictObj>()) {}

void NamespaceObj::set(Runtime& r, const Value& key, Value value) {
  if (key.is_string() && !key.text().empty() && key.text()[0] == '_')
    r.fail(
        "a chat template cannot store the attribute '{}' on a namespace: its name starts with an underscore",
        key.text());
  dict->set(r, key, std::move(value));
}

// A scope is never a value, so its kind only needs to be one that lives on the heap.
Scope::Scope(Runtime& r, Ref<Scope> parent_scope)
    : Linked(r, Kind::kNamespace, sizeof(*this)), parent(std::move(parent_scope)) {}

void Scope::clear() {
  names.clear();
  parent = Ref<Scope>();
}

const Value* Scope::find(uint32_t name) const {
  for (const Scope* s = this; s; s = s->parent.get()) {
    for (const auto& [n, v] : s->names)
      if (n == name) return &v;
  }
  return nullptr;
}

void Scope::set(uint32_t name, Value value) {
  for (auto& [n, v] : names) {
    if (n == name) {
      v = std::move(value);
      return;
    }
  }
  grow(sizeof(names[0]) * 2);
  names.emplace_back(name, std::move(value));
}

MacroObj::MacroObj(Runtime& r, const Stmt* d, Ref<Scope> s)
    : Object(r, Kind::kMacro, sizeof(*this)), def(d), scope(std::move(s)) {}

MethodObj::MethodObj(Runtime& r, Value s, const MethodInfo* m)
    : Object(r, Kind::kMethod, sizeof(*this)), self(std::move(s)), info(m) {}

CyclerObj::CyclerObj(Runtime& r, std::vector<Value> v)
    : Object(r, Kind::kCycler, sizeof(*this) + v.size() * sizeof(Value)), items(std::move(v)) {}

JoinerObj::JoinerObj(Runtime& r, Value s)
    : Object(r, Kind::kJoiner, sizeof(*this)), separator(std::move(s)) {}

Iter::Iter(Runtime& r, Value source) : source_(std::move(source)) {
  switch (source_.kind()) {
    case Kind::kUndefined:
    case Kind::kString:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kRange:
    case Kind::kView:
    case Kind::kGenerator:
      break;
    default:
      r.fail("'{}' object is not iterable", type_name(source_));
  }
}

static Value view_item(Runtime& rt, const DictObj::Entry& e, ViewKind view) {
  if (view == ViewKind::kKeys) return e.key;
  if (view == ViewKind::kValues) return e.value;
  return rt.tuple({e.key, e.value});
}

bool Iter::next(Interp& in, Value* out) {
  Object* o = source_.object();
  if (!o) return false;
  Runtime& rt = *o->rt;
  rt.step();
  const auto i = static_cast<size_t>(pos_);
  switch (source_.kind()) {
    case Kind::kList:
    case Kind::kTuple:
      if (i >= source_.items().size()) return false;
      *out = source_.items()[i];
      break;
    case Kind::kDict:
      if (i >= source_.as<DictObj>().entries.size()) return false;
      *out = source_.as<DictObj>().entries[i].key;
      break;
    case Kind::kView: {
      const auto& view = source_.as<ViewObj>();
      const auto& entries = view.dict.as<DictObj>().entries;
      if (i >= entries.size()) return false;
      *out = view_item(rt, entries[i], view.view);
      break;
    }
    case Kind::kRange: {
      const auto& range = source_.as<RangeObj>();
      if (pos_ >= range.size) return false;
      *out = Value::integer(range.at(pos_));
      break;
    }
    case Kind::kString: {
      const std::string& s = source_.text();
      if (i >= s.size()) return false;
      const size_t n = utf8_length(static_cast<unsigned char>(s[i]));
      *out = rt.str(s.substr(i, n));
      pos_ += static_cast<int64_t>(n);
      return true;
    }
    case Kind::kGenerator: {
      auto& g = source_.as<GeneratorObj>();
      if (g.running) rt.fail("generator already executing");
      Runtime::Deeper deeper(rt);
      g.running = true;
      struct Stop {
        GeneratorObj& g;
        ~Stop() { g.running = false; }
      } stop{g};
      return g.pull(in, out);
    }
    default:
      return false;
  }
  ++pos_;
  return true;
}

}  // namespace uma::jinja
