#include "nn/module.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "io/npz.h"
#include "io/safetensors.h"
#include "ops/cast.h"

namespace uma::nn {
namespace {

using Named = std::vector<std::pair<std::string, Module>>;

std::string joined(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

/// Whether a key of freeze() means the item: "layers" means layers.0, layers.1, ...
bool means(const std::string& key, const std::string& item) {
  return item == key || item.starts_with(key + ".");
}

/// "a, b and 3 more": what a sentence can hold.
std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kMost = 8;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMost); ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > kMost) text += fmt::format(" and {} more", names.size() - kMost);
  return text;
}

constexpr std::string_view kNpz = ".npz", kSafetensors = ".safetensors";

/// "MLP" of uma::(anonymous namespace)::MLP: what follows the last :: that is in no template's arguments.
std::string class_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> whole(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free);
  const std::string_view name = whole ? whole.get() : type.name();
  int depth = 0;
  size_t begin = name.size();
  for (; begin > 0; --begin) {
    const char c = name[begin - 1];
    if (c == '>') ++depth;
    if (c == '<') --depth;
    if (c == ':' && depth == 0) break;
  }
  return std::string(name.substr(begin));
}

}  // namespace

std::string spelled(bool value) {
  return value ? "True" : "False";
}

std::string spelled(double value) {
  std::string text = fmt::format("{}", value);
  // A number that looks whole: -12, not 1e-05, 0.5, nan or inf.
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

struct Module::State {
  struct Item {
    std::string name;
    std::optional<array> parameter;  // or
    std::shared_ptr<State> child;
  };
  std::vector<Item> items;  // in the order in which they were added
  std::set<std::string, std::less<>> frozen, never_trained;
  bool training = true;
  Traits traits;

  Item* find(std::string_view name) {
    for (Item& item : items)
      if (item.name == name) return &item;
    return nullptr;
  }
};

Module::Module() : state_(std::make_shared<State>()) {}

void Module::check_name(const std::string& name) const {
  constexpr auto kOp = "Module";
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    check(end > begin && name[begin] != '_', ErrorCode::kInvalidArgument, kOp,
          "\"{}\" cannot name a parameter: its parts must not be empty nor begin with an underscore", name);
    begin = end + 1;
  }
  for (const State::Item& item : state_->items) {
    const bool inside = item.name.starts_with(name + ".") || name.starts_with(item.name + ".");
    check(!inside, ErrorCode::kInvalidArgument, kOp, "\"{}\" and \"{}\" would share paths", name, item.name);
  }
}

void Module::add(const std::string& name, array parameter) {
  check_name(name);
  if (State::Item* item = state_->find(name)) {
    item->parameter = std::move(parameter);
    item->child = nullptr;
  } else {
    state_->items.push_back({name, std::move(parameter), nullptr});
  }
}

void Module::insert(const std::string& name, const Module& child) {
  check_name(name);
  check(!child.holds(state_.get()), ErrorCode::kInvalidArgument, "Module",
        "\"{}\" holds the module that it is added to", name);
  if (State::Item* item = state_->find(name)) {
    item->parameter.reset();
    item->child = child.state_;
  } else {
    state_->items.push_back({name, std::nullopt, child.state_});
  }
}

bool Module::holds(const State* other) const {
  if (state_.get() == other) return true;
  return std::any_of(state_->items.begin(), state_->items.end(),
                     [&](const State::Item& item) { return item.child && Module(item.child).holds(other); });
}

array* Module::find_slot(std::string_view path) const {
  for (State::Item& item : state_->items) {
    if (!path.starts_with(item.name)) continue;
    const std::string_view rest = path.substr(item.name.size());
    if (rest.empty()) return item.parameter ? &*item.parameter : nullptr;
    // Names do not begin one another at a dot, so no other item can have the path.
    if (rest[0] == '.') return item.child ? Module(item.child).find_slot(rest.substr(1)) : nullptr;
  }
  return nullptr;
}

const array* Module::find(std::string_view path) const {
  return find_slot(path);
}

const array& Module::parameter(std::string_view path) const {
  const array* found = find(path);
  check(found != nullptr, ErrorCode::kNotFound, "Module", "has no parameter \"{}\"", path);
  return *found;
}

std::optional<array> Module::optional(std::string_view path) const {
  const array* found = find(path);
  return found ? std::optional<array>(*found) : std::nullopt;
}

void Module::remove(std::string_view name) const {
  std::erase_if(state_->items, [&](const State::Item& item) { return item.parameter && item.name == name; });
}

void Module::set(std::string_view name, array value) const {
  array* slot = find_slot(name);
  check(slot != nullptr, ErrorCode::kNotFound, "Module", "has no parameter \"{}\"", name);
  *slot = std::move(value);
}

void Module::collect(const std::string& prefix, bool trainable_only, Parameters& out) const {
  for (const State::Item& item : state_->items) {
    if (trainable_only && state_->frozen.count(item.name)) continue;
    if (item.child)
      Module(item.child).collect(joined(prefix, item.name), trainable_only, out);
    else
      out.emplace(joined(prefix, item.name), *item.parameter);
  }
}

Parameters Module::parameters() const {
  Parameters out;
  collect("", false, out);
  return out;
}

Parameters Module::trainable_parameters() const {
  Parameters out;
  collect("", true, out);
  return out;
}

Named Module::children() const {
  Named out;
  for (const State::Item& item : state_->items)
    if (item.child) out.emplace_back(item.name, Module(item.child));
  return out;
}

void Module::walk(const std::string& path, Named& out) const {
  out.emplace_back(path, *this);
  for (const auto& [name, child] : children()) child.walk(joined(path, name), out);
}

Named Module::named_modules() const {
  Named out;
  walk("", out);
  return out;
}

Named Module::leaf_modules() const {
  Named out = named_modules();
  std::erase_if(out, [](const auto& named) { return !named.second.children().empty(); });
  return out;
}

Module& Module::apply_to_modules(const std::function<void(const std::string&, Module&)>& function) {
  for (auto& [path, module] : named_modules()) function(path, module);
  return *this;
}

Module& Module::update(const Parameters& parameters, bool strict) {
  std::vector<std::pair<array*, const array*>> found;
  for (const auto& [path, value] : parameters) {
    array* slot = find_slot(path);
    check(slot != nullptr || !strict, ErrorCode::kNotFound, "update", "the module has no parameter \"{}\"",
          path);
    if (slot) found.emplace_back(slot, &value);
  }
  for (const auto& [slot, value] : found) *slot = *value;
  return *this;
}

Module& Module::apply(const std::function<array(const array&)>& function) {
  Parameters all = parameters();
  for (auto& [path, value] : all) value = function(value);
  return update(all);
}

Module& Module::set_dtype(DType dtype) {
  check(is_floating(dtype), ErrorCode::kDType, "set_dtype", "parameters are floats and cannot become {}",
        name_of(dtype));
  return apply([&](const array& x) { return is_floating(x.dtype()) ? astype(x, dtype) : x; });
}

Module& Module::load_weights(const Parameters& weights, bool strict) {
  if (!strict) return update(weights, false);
  constexpr auto kOp = "load_weights";
  const Parameters have = parameters();
  std::vector<std::string> unknown, missing;
  for (const auto& [path, value] : weights)
    if (!have.count(path)) unknown.push_back(path);
  for (const auto& [path, value] : have)
    if (!weights.count(path)) missing.push_back(path);
  check(unknown.empty(), ErrorCode::kNotFound, kOp, "the model has no parameter {}", listed(unknown));
  check(missing.empty(), ErrorCode::kNotFound, kOp, "the weights lack {}", listed(missing));
  for (const auto& [path, value] : weights) {
    const Shape& expected = have.find(path)->second.shape();
    check(value.shape() == expected, ErrorCode::kShape, kOp, "{} has shape {}, expected {}", path,
          value.shape(), expected);
  }
  return update(weights);
}

Module& Module::load_weights(const std::string& file, bool strict) {
  // A tensor that nobody asks for may be of a kind that arrays do not have.
  const auto wanted = [&](std::string_view name) { return strict || find(name); };
  if (file.ends_with(kNpz)) return load_weights(read_npz(file, wanted), strict);
  const auto opened = SafetensorsFile::open(file);
  Parameters weights;
  for (const SafetensorsTensor& tensor : opened->tensors())
    if (wanted(tensor.name)) weights.emplace(tensor.name, opened->load(tensor.name));
  return load_weights(weights, strict);
}

void Module::save_weights(const std::string& file) const {
  const Parameters all = parameters();
  const std::vector<std::pair<std::string, array>> tensors(all.begin(), all.end());
  if (file.ends_with(kNpz)) return write_npz(file, tensors);
  check(file.ends_with(kSafetensors), ErrorCode::kInvalidArgument, "save_weights",
        "the file must end in {} or {}, not \"{}\"", kSafetensors, kNpz, file);
  write_safetensors(file, tensors);
}

void Module::mark(bool frozen, const Selection& selection) {
  std::set<std::string> met;
  const Named modules = selection.recurse ? named_modules() : Named{{"", *this}};
  for (const auto& [path, module] : modules) {
    State& state = *module.state_;
    if (!frozen && selection.keys.empty()) state.frozen = state.never_trained;
    for (const State::Item& item : state.items) {
      if (frozen && selection.keys.empty() && item.parameter) state.frozen.insert(item.name);
      for (const std::string& key : selection.keys) {
        if (!means(key, item.name)) continue;
        met.insert(key);
        if (frozen)
          state.frozen.insert(item.name);
        else if (!state.never_trained.count(item.name))
          state.frozen.erase(item.name);
      }
    }
  }
  if (!selection.strict) return;
  for (const std::string& key : selection.keys)
    check(met.count(key) > 0, ErrorCode::kNotFound, frozen ? "freeze" : "unfreeze",
          "no module here has a member \"{}\"", key);
}

Module& Module::freeze(const Selection& selection) {
  mark(true, selection);
  return *this;
}

Module& Module::unfreeze(const Selection& selection) {
  mark(false, selection);
  return *this;
}

void Module::never_train(std::vector<std::string> names) {
  for (std::string& name : names) {
    state_->frozen.insert(name);
    state_->never_trained.insert(std::move(name));
  }
}

Module& Module::train(bool mode) {
  return apply_to_modules([&](const std::string&, Module& module) {
    module.state_->training = mode;
    if (const auto& on_mode = module.traits().on_mode) on_mode(module, mode);
  });
}

bool Module::training() const {
  return state_->training;
}

Module::Traits& Module::traits() const {
  return state_->traits;
}

void Module::name_class(const std::type_info& type) const {
  // A handle that has forgotten its class knows no name.
  if (traits().name.empty() && type != typeid(Module)) traits().name = class_name(type);
}

std::string Module::text() const {
  const Traits& t = traits();
  std::string body;
  for (const auto& [path, child] : children()) body += fmt::format("\n({}): {}", path, child.text());
  for (size_t at = 0; (at = body.find('\n', at)) != std::string::npos; ++at) body.insert(at + 1, "  ");
  if (!body.empty()) body += '\n';
  return fmt::format("{}({}{})", t.name.empty() ? "Module" : t.name, t.details ? t.details(*this) : "", body);
}

}  // namespace uma::nn
