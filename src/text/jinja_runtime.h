#pragma once
// What one rendering may still spend, and the makers of values, which all draw on it.
#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/chat_template.h"
#include "text/jinja_value.h"

namespace uma::jinja {

class Runtime {
 public:
  explicit Runtime(const TemplateLimits& limits) : limits_(limits) {}
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Counts work. Every loop whose length the template or its variables decide must call this.
  void step(uint64_t n = 1) {
    steps_ += n;
    if (steps_ > limits_.max_steps) [[unlikely]]
      out_of("{} steps of work", limits_.max_steps);
  }
  /// Work on text, in pieces of 64 bytes.
  void step_text(size_t bytes) { step(1 + bytes / 64); }
  void charge(size_t bytes) {
    if (bytes > limits_.max_memory_bytes - live_) [[unlikely]]
      out_of("{} bytes of memory", limits_.max_memory_bytes);
    live_ += bytes;
  }
  void credit(size_t bytes) { live_ -= bytes; }
  /// Throws unless `bytes` more could be paid for.
  void check_room(size_t bytes) {
    if (bytes > limits_.max_memory_bytes - live_) [[unlikely]]
      out_of("{} bytes of memory", limits_.max_memory_bytes);
  }
  size_t live_bytes() const { return live_; }

  /// A run-time error of the template, at the line being rendered.
  template <class... A>
  [[noreturn]] void fail(fmt::format_string<A...> format, A&&... args) {
    raise(ErrorCode::kInvalidArgument, fmt::format(format, std::forward<A>(args)...));
  }
  [[noreturn]] void raise(ErrorCode code, std::string_view message);
  void set_line(uint32_t line) { line_ = line; }
  uint32_t line() const { return line_; }
  const TemplateLimits& limits() const { return limits_; }

  template <class T, class... A>
  Ref<T> make(A&&... args) {
    return Ref<T>(new T(*this, std::forward<A>(args)...));
  }
  Value str(std::string text) { return Value(make<StringObj>(std::move(text))); }
  Value str(std::string_view text) { return str(std::string(text)); }
  Value str(const char* text) { return str(std::string(text)); }
  Value markup(std::string text);
  Value list(std::vector<Value> items) { return Value(make<SeqObj>(std::move(items), Kind::kList)); }
  Value tuple(std::vector<Value> items) { return Value(make<SeqObj>(std::move(items), Kind::kTuple)); }
  Value undefined(std::string message) { return Value(make<UndefinedObj>(std::move(message))); }
  Value generator(GeneratorObj::Pull pull, const char* type = "generator") {
    return Value(make<GeneratorObj>(std::move(pull), type));
  }

  /// Nested C++ calls over the template's or the value's own nesting.
  class Deeper {
   public:
    explicit Deeper(Runtime& rt) : rt_(rt) {
      if (++rt.depth_ > rt.limits_.max_depth) [[unlikely]] {
        --rt.depth_;
        rt.out_of("a nesting of {} levels", rt.limits_.max_depth);
      }
    }
    ~Deeper() { --rt_.depth_; }

   private:
    Runtime& rt_;
  };

 protected:
  /// Ends the cycles of namespaces and scopes. All other values must be gone or about to go.
  void clear_cycles();

 private:
  friend struct Object;
  friend struct Linked;
  [[noreturn]] void out_of(fmt::format_string<size_t&> what, size_t bound);
  void bury(Object* o);

  TemplateLimits limits_;
  uint64_t steps_ = 0;
  size_t live_ = 0;
  size_t depth_ = 0;
  uint32_t line_ = 1;
  Object* graveyard_ = nullptr;
  bool burying_ = false;
  Linked* linked_ = nullptr;
};

/// Text under construction whose size is checked as it grows.
class TextBuilder {
 public:
  explicit TextBuilder(Runtime& rt) : rt_(rt) {}
  void add(std::string_view s) {
    rt_.check_room(text_.size() + s.size());
    rt_.step_text(s.size());
    text_.append(s);
  }
  void add(char c) { add(std::string_view(&c, 1)); }
  void fill(size_t n, std::string_view piece);
  const std::string& text() const { return text_; }
  size_t size() const { return text_.size(); }
  std::string take() { return std::move(text_); }

 private:
  Runtime& rt_;
  std::string text_;
};

/// Arguments of a call.
struct Args {
  std::vector<Value> pos;
  std::vector<std::pair<std::string, Value>> kw;

  const Value& operator[](size_t i) const { return pos[i]; }
  Value* keyword(std::string_view name);
};

/// Parameter names separated by blanks ("s old new count"), of which the first `required` must be given.
/// "*" leaves the arguments as they are. `positional`: keywords are refused, as Python's built-ins do.
struct Params {
  std::string_view names;
  int required = 0;
  bool positional = false;
};
/// Sorts arguments into the order of the parameters; those not given are kMissing.
void bind_args(Runtime& rt, std::string_view function, const Params& params, Args& args);

}  // namespace uma::jinja
