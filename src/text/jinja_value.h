#pragma once
// The values of the template language: Python's, as far as a template can see them. Objects are counted
// references; each knows the Runtime that pays for it, so that memory has a bound and a deep nest of lists is
// taken apart in a loop instead of by recursion.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace uma::jinja {

class Runtime;
class Interp;
class Value;
struct Args;
struct Stmt;
struct MethodInfo;

enum class Kind : uint8_t {
  kMissing,  // an argument that was not given: never visible to a template
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kFunction,  // a global function, by number
  kBigInt,    // an integer beyond 64 bits: kept as digits, can be printed and compared for equality
  kString,
  kList,
  kTuple,
  kDict,
  kRange,
  kView,  // dict.keys(), .values(), .items()
  kGenerator,
  kNamespace,
  kMacro,
  kMethod,
  kLoop,
  kCycler,
  kJoiner,
};

struct Object {
  Object(Runtime& runtime, Kind k, size_t bytes);
  virtual ~Object();
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  /// Pays for memory that the object took after it was made.
  void grow(size_t bytes);
  void release();

  Runtime* rt;
  Object* next_dead = nullptr;
  size_t charged;
  uint32_t refs = 1;
  Kind kind;
};

/// A counted pointer to one kind of object.
template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* adopted) : p_(adopted) {}
  Ref(const Ref& o) : p_(o.p_) {
    if (p_) ++p_->refs;
  }
  Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Ref& operator=(Ref o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Ref() {
    if (p_) p_->release();
  }
  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  static Ref share(T* p) {
    ++p->refs;
    return Ref(p);
  }

 private:
  T* p_ = nullptr;
};

class Value {
 public:
  Value() : kind_(Kind::kUndefined) { u_.o = nullptr; }
  static Value none() { return Value(Kind::kNone); }
  static Value missing() { return Value(Kind::kMissing); }
  static Value boolean(bool b) {
    Value v(Kind::kBool);
    v.u_.i = b;
    return v;
  }
  static Value integer(int64_t i) {
    Value v(Kind::kInt);
    v.u_.i = i;
    return v;
  }
  static Value real(double d) {
    Value v(Kind::kFloat);
    v.u_.d = d;
    return v;
  }
  static Value function(int id) {
    Value v(Kind::kFunction);
    v.u_.i = id;
    return v;
  }
  /// Takes over the one reference that `o` was made with.
  static Value adopt(Object* o) {
    Value v(o->kind);
    v.u_.o = o;
    return v;
  }
  template <class T>
  Value(Ref<T> r) : kind_(r->kind) {  // NOLINT: a typed reference is a value
    u_.o = r.get();
    ++u_.o->refs;
  }
  Value(const Value& v) : kind_(v.kind_), u_(v.u_) {
    if (on_heap()) ++u_.o->refs;
  }
  Value(Value&& v) noexcept : kind_(v.kind_), u_(v.u_) {
    v.kind_ = Kind::kUndefined;
    v.u_.o = nullptr;
  }
  Value& operator=(Value v) noexcept {
    std::swap(kind_, v.kind_);
    std::swap(u_, v.u_);
    return *this;
  }
  ~Value() {
    if (on_heap()) u_.o->release();
  }

  Kind kind() const { return kind_; }
  bool is(Kind k) const { return kind_ == k; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_missing() const { return kind_ == Kind::kMissing; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_int() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }  // bool is an int, as in Python
  bool is_number() const { return is_int() || kind_ == Kind::kFloat; }
  bool is_sequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }

  bool as_bool() const { return u_.i != 0; }
  int64_t as_int() const { return u_.i; }
  double as_real() const { return kind_ == Kind::kFloat ? u_.d : static_cast<double>(u_.i); }
  Object* object() const { return u_.o; }
  template <class T>
  T& as() const {
    return *static_cast<T*>(u_.o);
  }
  inline const std::string& text() const;          // kString
  inline const std::vector<Value>& items() const;  // kList, kTuple
  /// The same object, or equal scalars: Python's `is`.
  bool same_as(const Value& o) const;

 private:
  explicit Value(Kind k) : kind_(k) { u_.o = nullptr; }
  bool on_heap() const { return (kind_ >= Kind::kBigInt || kind_ == Kind::kUndefined) && u_.o != nullptr; }

  Kind kind_;
  union {
    int64_t i;
    double d;
    Object* o;
  } u_;
};

/// Carries the sentence that using an undefined value raises.
struct UndefinedObj : Object {
  UndefinedObj(Runtime& r, std::string m);
  std::string message;
};

/// Text in UTF-8; also the digits of a kBigInt.
struct StringObj : Object {
  StringObj(Runtime& r, std::string t, Kind k = Kind::kString);
  std::string text;
  bool markup = false;          // Markup of markupsafe: what `safe` and `escape` return
  mutable int64_t length = -1;  // code points, counted on first need
};

struct SeqObj : Object {
  SeqObj(Runtime& r, std::vector<Value> v, Kind k);
  std::vector<Value> items;
  bool grouped = false;  // a (grouper, list) pair of groupby, whose fields have names too
};

/// An insertion-ordered dict. Entries are never removed.
struct DictObj : Object {
  explicit DictObj(Runtime& r);
  struct Entry {
    Value key, value;
    uint64_t hash;
  };
  const Value* find(std::string_view key) const;
  const Value* find(Runtime& r, const Value& key) const;
  /// Throws if the key cannot be hashed. A key that is there keeps its place.
  void set(Runtime& r, const Value& key, Value value);

  std::vector<Entry> entries;

 private:
  int64_t locate(Runtime& r, const Value& key, uint64_t hash) const;
  void index_entry(size_t i);
  std::vector<uint32_t> slots_;  // open addressing, entry + 1; empty while there are few entries
};

struct RangeObj : Object {
  RangeObj(Runtime& r, int64_t start, int64_t stop, int64_t step);
  /// Element i of size; the arithmetic wraps, because i * step alone may not fit.
  int64_t at(int64_t i) const {
    return static_cast<int64_t>(static_cast<uint64_t>(start) +
                                static_cast<uint64_t>(i) * static_cast<uint64_t>(step));
  }
  int64_t start, stop, step, size;
};

enum class ViewKind : uint8_t { kKeys, kValues, kItems };
struct ViewObj : Object {
  ViewObj(Runtime& r, Value d, ViewKind v);
  Value dict;
  ViewKind view;
};

/// What a lazy filter returns: can be walked once.
struct GeneratorObj : Object {
  using Pull = std::function<bool(Interp&, Value*)>;
  GeneratorObj(Runtime& r, Pull p, const char* type);
  Pull pull;
  const char* type_name;
  bool running = false;
};

/// Objects that can hold themselves are listed, so that a cycle ends with the rendering.
struct Linked : Object {
  Linked(Runtime& r, Kind k, size_t bytes);
  ~Linked() override;
  virtual void clear() = 0;
  Linked* prev = nullptr;
  Linked* next = nullptr;
};

struct NamespaceObj : Linked {
  explicit NamespaceObj(Runtime& r);
  void clear() override { dict = Ref<DictObj>(); }
  Ref<DictObj> dict;
  void set(Runtime& r, const Value& key, Value value);
};

/// The names of one frame: the template, a loop's pass, a macro's call, a block.
struct Scope : Linked {
  Scope(Runtime& r, Ref<Scope> parent_scope);
  void clear() override;
  const Value* find(uint32_t name) const;
  void set(uint32_t name, Value value);
  Ref<Scope> parent;
  std::vector<std::pair<uint32_t, Value>> names;
};

struct MacroObj : Object {
  MacroObj(Runtime& r, const Stmt* d, Ref<Scope> s);
  const Stmt* def;
  Ref<Scope> scope;
};

/// A method bound to its object.
struct MethodObj : Object {
  MethodObj(Runtime& r, Value s, const MethodInfo* m);
  Value self;
  const MethodInfo* info;
};

struct CyclerObj : Object {
  CyclerObj(Runtime& r, std::vector<Value> v);
  std::vector<Value> items;
  size_t pos = 0;
};

struct JoinerObj : Object {
  JoinerObj(Runtime& r, Value s);
  Value separator;
  bool used = false;
};

/// Walks anything that Python can iterate. Throws on construction where it cannot.
class Iter {
 public:
  Iter(Runtime& r, Value source);
  bool next(Interp& in, Value* out);

 private:
  Value source_;
  int64_t pos_ = 0;
};

inline const std::string& Value::text() const {
  return as<StringObj>().text;
}
inline const std::vector<Value>& Value::items() const {
  return as<SeqObj>().items;
}

}  // namespace uma::jinja
