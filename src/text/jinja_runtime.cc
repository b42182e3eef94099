#include "text/jinja_runtime.h"

#include <algorithm>
#include <array>

namespace uma::jinja {

Runtime::~Runtime() {
  clear_cycles();
}

void Runtime::raise(ErrorCode code, std::string_view message) {
  uma::fail(code, "template", "line {}: {}", line_, message);
}

void Runtime::out_of(fmt::format_string<size_t&> what, size_t bound) {
  raise(ErrorCode::kLimit, fmt::format("the template needs more than {}", fmt::format(what, bound)));
}

void Runtime::bury(Object* o) {
  o->next_dead = graveyard_;
  graveyard_ = o;
  if (burying_) return;
  burying_ = true;
  while (graveyard_) {
    Object* dead = graveyard_;
    graveyard_ = dead->next_dead;
    delete dead;
  }
  burying_ = false;
}

void Runtime::clear_cycles() {
  while (linked_) {
    // Held while it is emptied: what it held may be all that holds it.
    auto held = Ref<Linked>::share(linked_);
    linked_ = held->next;
    if (linked_) linked_->prev = nullptr;
    held->next = held->prev = nullptr;
    held->clear();
  }
}

Value Runtime::markup(std::string text) {
  auto s = make<StringObj>(std::move(text));
  s->markup = true;
  return Value(s);
}

void TextBuilder::fill(size_t n, std::string_view piece) {
  if (piece.empty()) return;
  rt_.check_room(n);
  rt_.check_room(n * piece.size());
  for (size_t i = 0; i < n; ++i) add(piece);
}

Value* Args::keyword(std::string_view name) {
  for (auto& [k, v] : kw)
    if (k == name) return &v;
  return nullptr;
}

void bind_args(Runtime& rt, std::string_view function, const Params& params, Args& args) {
  if (params.names == "*") return;
  std::array<std::string_view, 8> names;
  size_t count = 0;
  for (std::string_view rest = params.names; !rest.empty();) {
    const size_t end = std::min(rest.find(' '), rest.size());
    names[count++] = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (args.pos.size() > count)
    rt.fail("{}() takes at most {} arguments ({} given)", function, count, args.pos.size());
  if (params.positional && !args.kw.empty()) rt.fail("{}() takes no keyword arguments", function);
  const size_t given = args.pos.size();
  while (args.pos.size() < count) args.pos.push_back(Value::missing());
  for (auto& [name, value] : args.kw) {
    const auto at =
        static_cast<size_t>(std::find(names.begin(), names.begin() + count, name) - names.begin());
    if (at >= count) rt.fail("{}() got an unexpected keyword argument '{}'", function, name);
    if (at < given || !args.pos[at].is_missing())
      rt.fail("{}() got multiple values for argument '{}'", function, name);
    args.pos[at] = std::move(value);
  }
  args.kw.clear();
  for (size_t i = 0; i < static_cast<size_t>(params.required); ++i) {
    if (args.pos[i].is_missing()) rt.fail("{}() is missing its argument '{}'", function, names[i]);
  }
}

}  // namespace uma::jinja
