#pragma once
// The base of layers and models: a tree of named arrays.
#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include "core/array.h"

namespace uma::nn {

struct Quantization;

/// Arrays by their paths, as MLX spells them: "layers.0.weight".
using Parameters = std::map<std::string, array, std::less<>>;

/// A module is a handle, as array is: copies share their parameters, so a layer can be a member, lie in a
/// vector, and be captured by value. What it is made of is added by name:
///
///   struct MLP : nn::Module {
///     nn::Linear up = add("up", nn::Linear(784, 128));
///     nn::Linear down = add("down", nn::Linear(128, 10));
///     array operator()(const array& x) const { return down(nn::relu(up(x))); }
///   };
///
/// A frozen parameter gets no gradient from nn::value_and_grad. Not for use from several threads at once.
class Module {
 public:
  /// Empty, in training mode, nothing frozen.
  Module();

  // -- What it is made of. Adding under a name that is there replaces. All throw InvalidArgument for a name
  // that is empty, has an empty part between its dots or a part that begins with "_", or that would give two
  // arrays one path; and for a child that holds this module.

  /// A parameter; read it with parameter(name), since training puts other arrays in its place.
  void add(const std::string& name, array parameter);
  /// A child; returns it.
  template <std::derived_from<Module> M>
  M add(const std::string& name, M child) {
    insert(name, of_class(child));
    return child;
  }
  /// Children name.0, name.1, ...
  template <std::derived_from<Module> M>
  std::vector<M> add(const std::string& name, std::vector<M> children) {
    for (size_t i = 0; i < children.size(); ++i)
      insert(name + "." + std::to_string(i), of_class(children[i]));
    return children;
  }

  /// The array at a path. Throws NotFound.
  const array& parameter(std::string_view path) const;
  /// The same, or nullptr; or nothing.
  const array* find(std::string_view path) const;
  std::optional<array> optional(std::string_view path) const;

  /// All arrays of this module and of those in it; those that are not frozen.
  Parameters parameters() const;
  Parameters trainable_parameters() const;
  /// The modules directly in this one; this one (path "") and all in it, parents first; those without
  /// children.
  std::vector<std::pair<std::string, Module>> children() const;
  std::vector<std::pair<std::string, Module>> named_modules() const;
  std::vector<std::pair<std::string, Module>> leaf_modules() const;
  /// Calls it for each of named_modules().
  Module& apply_to_modules(const std::function<void(const std::string&, Module&)>& function);

  /// Replaces arrays. With `strict` throws NotFound for a path that is not here; else passes it over. Nothing
  /// is replaced then.
  Module& update(const Parameters& parameters, bool strict = true);
  /// Replaces each parameter by function(parameter).
  Module& apply(const std::function<array(const array&)>& function);
  /// Casts the parameters that are floats. Throws DType for a dtype that is none.
  Module& set_dtype(DType dtype);

  /// Sets the parameters from a .safetensors file, a *.safetensors.index.json of several, or a .npz file.
  /// With `strict` the paths and shapes must be exactly those of parameters(): throws NotFound, Shape; else
  /// what is not here is passed over. Nothing is replaced then. Throws what SafetensorsFile::open and
  /// read_npz throw.
  Module& load_weights(const std::string& file, bool strict = true);
  Module& load_weights(const Parameters& weights, bool strict = true);
  /// Writes parameters() to a file, which must end in .safetensors or .npz: throws InvalidArgument, Io.
  void save_weights(const std::string& file) const;

  struct Selection {
    bool recurse = true;                 // in all submodules too
    std::vector<std::string> keys = {};  // names within each module; none: all
    bool strict = false;                 // throw NotFound for a key that no module has
  };
  /// Stops training parameters, and trains them again: model.freeze().unfreeze({.keys = {"bias"}}).
  Module& freeze(const Selection& selection);
  Module& freeze() { return freeze(Selection{}); }
  Module& unfreeze(const Selection& selection);
  Module& unfreeze() { return unfreeze(Selection{}); }

  /// Training or evaluation mode, here and in all submodules: what Dropout and BatchNorm ask.
  Module& train(bool mode = true);
  Module& eval() { return train(false); }
  bool training() const;

  /// Whether two handles are on one module.
  friend bool operator==(const Module& a, const Module& b) { return a.state_ == b.state_; }

  /// What can be asked of a module through a handle that does not know its class; for those who write layers.
  /// Each may be empty. The module keeps them: none may hold a handle on it.
  struct Traits {
    /// Of the class, for printing. Where it is empty, add() and to_string() write the name of the C++ type.
    std::string name;
    /// What is printed in the brackets behind the name: "input_dims=2, output_dims=3".
    std::function<std::string(const Module&)> details;
    /// Called by train() and eval() when the mode has changed.
    std::function<void(const Module&, bool training)> on_mode;
    /// For nn::quantize: checks everything, and returns what then quantizes the module in place.
    std::function<std::function<void()>(const Module&, const Quantization&)> quantizer;
  };
  Traits& traits() const;
  /// For to_string, which knows the class.
  std::string text() const;

  /// `module`, which knows the name of its class from now on.
  template <std::derived_from<Module> M>
  static const Module& of_class(const M& module) {
    module.name_class(typeid(M));
    return module;
  }

 protected:
  /// Parameters of this module that no unfreeze() thaws: running statistics.
  void never_train(std::vector<std::string> names);
  /// Replaces an own parameter of that name.
  void set(std::string_view name, array value) const;
  /// Takes an own parameter away, if it is there.
  void remove(std::string_view name) const;

 private:
  struct State;
  explicit Module(std::shared_ptr<State> state) : state_(std::move(state)) {}
  void insert(const std::string& name, const Module& child);
  void check_name(const std::string& name) const;
  bool holds(const State* other) const;
  array* find_slot(std::string_view path) const;
  void collect(const std::string& prefix, bool trainable_only, Parameters& out) const;
  void walk(const std::string& path, std::vector<std::pair<std::string, Module>>& out) const;
  void mark(bool frozen, const Selection& selection);
  void name_class(const std::type_info& type) const;

  std::shared_ptr<State> state_;
};

/// A module as MLX prints it in Python: the class and its sizes, then each child under its name, indented.
///   MLP(
///     (up): Linear(input_dims=784, output_dims=128, bias=True)
///     (down): Linear(input_dims=128, output_dims=10, bias=True)
///   )
template <std::derived_from<Module> M>
std::string to_string(const M& module) {
  return Module::of_class(module).text();
}
template <std::derived_from<Module> M>
std::ostream& operator<<(std::ostream& out, const M& module) {
  return out << to_string(module);
}

// For the details of layers: values as Python prints them.
std::string spelled(bool value);
std::string spelled(double value);

}  // namespace uma::nn
