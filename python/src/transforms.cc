// grad, vjp, jvp, vmap and their kin over Python functions of trees.
#include "transforms/custom.h"

#include <algorithm>

#include "bind.h"
#include "ops/creation.h"
#include "ops/shape.h"
#include "tree.h"

namespace uma::python {
namespace {

using Names = std::vector<std::string>;
using NamesArg = std::variant<std::monostate, std::string, Names>;
using IntsArg = std::variant<std::monostate, int, std::vector<int>>;

/// Which arguments of a call are differentiated.
struct Selection {
  std::vector<int> numbers;
  Names names;
  bool single = true;  // one number and no name: the gradient stands alone, not in a tuple

  Selection(const IntsArg& argnums, const NamesArg& argnames, std::string_view op) {
    if (argnums.index() == 1) numbers = {std::get<int>(argnums)};
    if (argnums.index() == 2) numbers = std::get<std::vector<int>>(argnums);
    single = numbers.size() == 1;
    if (argnames.index() == 1) names = {std::get<std::string>(argnames)};
    if (argnames.index() == 2) names = std::get<Names>(argnames);
    if (argnums.index() == 0 && names.empty()) numbers = {0}, single = true;
    check(!numbers.empty() || !names.empty(), ErrorCode::kInvalidArgument, op,
          "needs an argument to differentiate");
    std::sort(numbers.begin(), numbers.end());  // gradients come in the order of the arguments
    check(std::adjacent_find(numbers.begin(), numbers.end()) == numbers.end(), ErrorCode::kInvalidArgument,
          op, "an argument number comes twice");
    for (const int n : numbers)
      check(n >= 0, ErrorCode::kInvalidArgument, op, "argument numbers are 0 or more, not {}", n);
  }
};

/// One call of a differentiated function.
class Call {
 public:
  Call(const Selection& selection, const nb::args& args, const nb::kwargs& kwargs, std::string_view op)
      : selection_(selection), args_(args), kwargs_(kwargs) {
    for (const int n : selection.numbers) {
      check(static_cast<size_t>(n) < args.size(), ErrorCode::kInvalidArgument, op,
            "cannot differentiate argument {} of a call with {} positional ones", n, args.size());
      take(args[static_cast<size_t>(n)]);
    }
    for (const std::string& name : selection.names) {
      check(kwargs.contains(name.c_str()), ErrorCode::kInvalidArgument, op,
            "cannot differentiate the keyword '{}': the call does not pass it", name);
      take(kwargs[name.c_str()]);
    }
  }
  const std::vector<array>& primals() const { return primals_; }

  /// Calls f with other arrays in the place of the primals.
  nb::object call(nb::handle f, std::span<const array> inputs) const {
    nb::list args(args_);
    nb::dict kwargs;
    for (auto [key, value] : kwargs_) kwargs[key] = value;
    size_t at = 0, tree = 0;
    const auto next = [&] {
      nb::object filled = tree_filled(trees_[tree], inputs.subspan(at, sizes_[tree]));
      at += sizes_[tree++];
      return filled;
    };
    for (const int n : selection_.numbers) args[n] = next();
    for (const std::string& name : selection_.names) kwargs[name.c_str()] = next();
    return f(*nb::tuple(args), **kwargs);
  }

  /// Gradients in the shape of the arguments.
  nb::object shaped(std::span<const array> grads) const {
    size_t at = 0, tree = 0;
    const auto next = [&] {
      nb::object filled = tree_filled(trees_[tree], grads.subspan(at, sizes_[tree]));
      at += sizes_[tree++];
      return filled;
    };
    nb::list positional;
    for (size_t i = 0; i < selection_.numbers.size(); ++i) positional.append(next());
    nb::dict named;
    for (const std::string& name : selection_.names) named[name.c_str()] = next();
    const nb::object first = selection_.numbers.empty() ? nb::object(nb::none())
                             : selection_.single        ? nb::object(positional[0])
                                                        : nb::object(nb::tuple(positional));
    return selection_.names.empty() ? first : nb::object(nb::make_tuple(first, named));
  }

 private:
  void take(nb::handle tree) {
    trees_.push_back(nb::borrow(tree));
    const auto arrays = tree_arrays(tree);
    sizes_.push_back(arrays.size());
    primals_.insert(primals_.end(), arrays.begin(), arrays.end());
  }

  const Selection& selection_;
  const nb::args& args_;
  const nb::kwargs& kwargs_;
  std::vector<nb::object> trees_;
  std::vector<size_t> sizes_;
  std::vector<array> primals_;
};

std::vector<int> counted(size_t n) {
  std::vector<int> out(n);
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<int>(i);
  return out;
}

// The value is the first array of what the function gives; the rest goes through unchanged.
void check_value(nb::handle result, bool alone, std::string_view op) {
  const bool array_itself = nb::isinstance<array>(result);
  check(array_itself || !alone, ErrorCode::kInvalidArgument, op, "the function must return one scalar array");
  if (array_itself) return;
  const bool sequence = PyTuple_Check(result.ptr()) || PyList_Check(result.ptr());
  check(sequence && nb::len(result) > 0 && nb::isinstance<array>(result[0]), ErrorCode::kInvalidArgument, op,
        "the function must return a scalar array, or a tuple that begins with one");
}

std::pair<nb::object, nb::object> differentiate(nb::handle f, const Selection& selection,
                                                const nb::args& args, const nb::kwargs& kwargs, bool alone,
                                                std::string_view op) {
  const Call call(selection, args, kwargs, op);
  nb::object result;
  const Function traced = [&](const std::vector<array>& inputs) {
    result = call.call(f, inputs);
    check_value(result, alone, op);
    return tree_arrays(result);
  };
  if (call.primals().empty()) {
    traced({});
    return {result, call.shaped({})};
  }
  const auto [values, grads] = value_and_grad(traced, counted(call.primals().size()))(call.primals());
  return {tree_filled(result, values), call.shaped(grads)};
}

void check_function(nb::handle f, std::string_view op) {
  if (!PyCallable_Check(f.ptr())) throw nb::type_error(fmt::format("[{}] takes a function", op).c_str());
}

/// The transformed function under the name and the words of the plain one.
nb::object named_as(nb::handle f, nb::object transformed) {
  return nb::module_::import_("uma._control").attr("named_as")(f, transformed);
}

nb::object bind_gradient(nb::object f, const IntsArg& argnums, const NamesArg& argnames, bool with_value) {
  const std::string op = with_value ? "value_and_grad" : "grad";
  check_function(f, op);
  const auto call = [f, selection = Selection(argnums, argnames, op), with_value, op](
                        const nb::args& args, const nb::kwargs& kwargs) -> nb::object {
    auto [value, grads] = differentiate(f, selection, args, kwargs, !with_value, op);
    if (!with_value) return grads;
    return nb::make_tuple(value, grads);
  };
  return named_as(f, nb::cpp_function(call));
}

// A Python function of arrays as a Function.
Function traced(nb::handle f) {
  return [f](const std::vector<array>& inputs) {
    nb::list args;
    for (const array& a : inputs) args.append(a);
    const nb::object result = f(*nb::tuple(args));
    return tree_arrays(result);
  };
}

using Pairs = std::pair<std::vector<array>, std::vector<array>>;

/// Axes of the arrays of a tree: one for all, or a tree of the same shape. None is -1.
constexpr int kNoAxis = -1;

void axes_of_tree(nb::handle tree, nb::handle axes, std::vector<int>& out, std::string_view what) {
  if (nb::isinstance<array>(tree)) {
    check(axes.is_none() || PyLong_Check(axes.ptr()), ErrorCode::kInvalidArgument, "vmap",
          "{} must be an int or None for every array", what);
    const int axis = axes.is_none() ? kNoAxis : nb::cast<int>(axes);
    // A result gets one axis more than it has.
    const int ndim = static_cast<int>(nb::cast<array>(tree).ndim()) + (what == "out_axes" ? 1 : 0);
    check(axes.is_none() || (axis >= -ndim && axis < ndim), ErrorCode::kIndex, "vmap",
          "{} has {}, out of range for an array of {} dimensions", what, axis, ndim);
    out.push_back(axes.is_none() ? kNoAxis : axis < 0 ? axis + ndim : axis);
    return;
  }
  const bool same = axes.is_none() || PyLong_Check(axes.ptr());
  const auto each = [&](nb::handle item, const std::function<nb::object()>& own) {
    axes_of_tree(item, same ? nb::borrow(axes) : own(), out, what);
  };
  if (PyDict_Check(tree.ptr())) {
    for (auto [key, value] : nb::borrow<nb::dict>(tree)) each(value, [&] { return nb::object(axes[key]); });
  } else if (PyList_Check(tree.ptr()) || PyTuple_Check(tree.ptr())) {
    check(same || nb::len(axes) == nb::len(tree), ErrorCode::kInvalidArgument, "vmap",
          "{} names {} values, there are {}", what, same ? 0 : nb::len(axes), nb::len(tree));
    size_t i = 0;
    for (nb::handle item : tree) each(item, [&] { return nb::object(axes[i]); }), ++i;
  }
}

nb::object bind_vmap(nb::object f, nb::object in_axes, nb::object out_axes) {
  check_function(f, "vmap");
  const auto call = [f, in_axes, out_axes](const nb::args& args) -> nb::object {
    std::vector<int> in;
    // A dict is the axes of one argument.
    const bool one = PyDict_Check(in_axes.ptr()) && args.size() == 1;
    axes_of_tree(one ? args[0] : nb::handle(args), in_axes, in, "in_axes");
    nb::object result;
    std::vector<int> out;
    const Function function = [&](const std::vector<array>& inputs) {
      result = f(*nb::borrow<nb::tuple>(tree_filled(args, inputs)));
      out.clear();
      axes_of_tree(result, out_axes, out, "out_axes");
      return tree_arrays(result);
    };
    // Where results go is known once the function has run: they come in front, then they are moved.
    const auto arrays = tree_arrays(args);
    auto results = vmap(function, in)(arrays);
    if (std::find(out.begin(), out.end(), kNoAxis) !=
        out.end()) {  // vmap must see that it may leave them out
      std::vector<int> places = out;
      results = vmap(function, in, places)(arrays);
    } else {
      for (size_t i = 0; i < results.size(); ++i) results[i] = moveaxis(results[i], 0, out[i]);
    }
    return tree_filled(result, results);
  };
  return named_as(f, nb::cpp_function(call));
}

/// `@mx.custom_function`: a Python function whose rules are Python functions.
struct PythonFunction {
  SharedObject fun;
  std::optional<SharedObject> vjp, jvp, vmap;
};

/// The trees of one call of a Python function: what it took, and what it gave once it has run.
struct CallTrees {
  SharedObject arguments;  // (args, kwargs)
  std::shared_ptr<std::optional<SharedObject>> result = std::make_shared<std::optional<SharedObject>>();

  nb::tuple args() const { return nb::cast<nb::tuple>(arguments.get()[0]); }
  /// What MLX hands to rules: the only argument itself, or all of them as a tuple.
  nb::object rule_argument(const std::function<nb::object(const array&)>& f) const {
    const auto tree = nb::cast<nb::tuple>(tree_map(args(), f));
    return tree.size() == 1 ? nb::object(tree[0]) : nb::object(tree);
  }
  nb::object rule_argument(const std::vector<array>& arrays) const {
    size_t next = 0;
    return rule_argument([&](const array&) { return nb::cast(arrays[next++]); });
  }
  nb::dict kwargs(const std::vector<array>& arrays) const {
    return nb::cast<nb::dict>(nb::cast<nb::tuple>(tree_filled(arguments.get(), arrays))[1]);
  }
  nb::object result_of(const std::vector<array>& arrays) const {
    return tree_filled((*result)->get(), arrays);
  }
};

/// The arrays that a vjp gave for every argument; zeros where it gave None, and for keywords.
std::vector<array> cotangents_of(const CallTrees& trees, const std::vector<array>& primals,
                                 const nb::object& given) {
  const nb::tuple args = trees.args();
  const bool listed = PyTuple_Check(given.ptr()) || PyList_Check(given.ptr());
  if (args.size() != 1 && !(listed && nb::len(given) == args.size())) return tree_arrays(given);
  std::vector<array> out;
  for (size_t i = 0; i < args.size(); ++i) {
    const auto arrays = tree_arrays(args.size() == 1 ? given : nb::object(given[i]));
    out.insert(out.end(), arrays.begin(), arrays.end());
    const size_t own = tree_arrays(args[i]).size();
    for (size_t k = 0; arrays.empty() && k < own; ++k) out.push_back(zeros_like(primals[out.size()]));
  }
  for (size_t i = tree_arrays(args).size(); i < primals.size(); ++i) out.push_back(zeros_like(primals[i]));
  return out;
}

void axes_in(nb::handle tree, std::vector<int>& out) {
  if (PyDict_Check(tree.ptr())) {
    for (auto [key, value] : nb::borrow<nb::dict>(tree)) axes_in(value, out);
  } else if (PyTuple_Check(tree.ptr()) || PyList_Check(tree.ptr())) {
    for (nb::handle item : tree) axes_in(item, out);
  } else {
    out.push_back(tree.is_none() ? kNoAxis : nb::cast<int>(tree));
  }
}

CustomRules rules_of(const PythonFunction& f, const CallTrees& trees) {
  CustomRules rules;
  if (f.vjp)
    rules.vjp = [rule = *f.vjp, trees](const std::vector<array>& primals,
                                       const std::vector<array>& cotangents,
                                       const std::vector<array>& outputs) {
      return cotangents_of(trees, primals,
                           rule.get()(trees.rule_argument(primals), trees.result_of(cotangents),
                                      trees.result_of(outputs), **trees.kwargs(primals)));
    };
  if (f.jvp)
    rules.jvp = [rule = *f.jvp, trees](const std::vector<array>& primals,
                                       const std::vector<array>& tangents) {
      return tree_arrays(
          rule.get()(trees.rule_argument(primals), trees.rule_argument(tangents), **trees.kwargs(primals)));
    };
  if (f.vmap)
    rules.vmap = [rule = *f.vmap, trees](const std::vector<array>& inputs, const std::vector<int>& axes) {
      size_t next = 0;
      const nb::object places = trees.rule_argument([&](const array&) -> nb::object {
        const int axis = axes[next++];
        return axis == kNoAxis ? nb::object(nb::none()) : nb::object(nb::int_(axis));
      });
      const auto result =
          nb::cast<nb::tuple>(rule.get()(trees.rule_argument(inputs), places, **trees.kwargs(inputs)));
      const auto outputs = tree_arrays(result[0]);
      std::vector<int> at;
      axes_in(result[1], at);
      if (at.size() == 1) at.resize(outputs.size(), at[0]);
      return std::make_pair(outputs, at);
    };
  return rules;
}

/// Calls a Python function of trees through a transformation of functions of arrays.
nb::object call_through(nb::handle f, const nb::args& args, const nb::kwargs& kwargs,
                        const std::function<Function(Function, const CallTrees&)>& transform) {
  // Kept by rules that run later, when this call is over.
  const SharedObject function(nb::borrow(f));
  const CallTrees trees{SharedObject(nb::make_tuple(args, kwargs))};
  const Function plain = [function, trees](const std::vector<array>& inputs) {
    const auto filled = nb::cast<nb::tuple>(tree_filled(trees.arguments.get(), inputs));
    nb::object out = function.get()(*nb::cast<nb::tuple>(filled[0]), **nb::cast<nb::dict>(filled[1]));
    // Its shape only: an array that its own rules hold would never go.
    const nb::object hole = nb::cast(array(false));
    if (!*trees.result) trees.result->emplace(tree_map(out, [&](const array&) { return hole; }));
    return tree_arrays(out);
  };
  return trees.result_of(transform(plain, trees)(tree_arrays(trees.arguments.get())));
}

void bind_custom(Module& m) {
  const auto setter = [](std::optional<SharedObject> PythonFunction::*slot) {
    return [slot](PythonFunction& self, nb::object rule) {
      (self.*slot).emplace(std::move(rule));
      return (self.*slot)->get();
    };
  };
  nb::class_<PythonFunction>(m, "custom_function", "A function that brings its own derivatives.")
      .def(
          "__init__",
          [](PythonFunction* self, nb::object f) {
            new (self) PythonFunction{SharedObject(std::move(f)), {}, {}, {}};
          },
          "f"_a)
      .def("__call__",
           [](const PythonFunction& self, const nb::args& args, const nb::kwargs& kwargs) {
             const auto custom = [&](Function plain, const CallTrees& trees) {
               return custom_function(std::move(plain), rules_of(self, trees));
             };
             return call_through(self.fun.get(), args, kwargs, custom);
           })
      .def("vjp", setter(&PythonFunction::vjp), "f"_a, "Decorator: f(primals, cotangents, outputs).")
      .def("jvp", setter(&PythonFunction::jvp), "f"_a, "Decorator: f(primals, tangents).")
      .def("vmap", setter(&PythonFunction::vmap), "f"_a, "Decorator: f(inputs, axes) -> outputs, axes.");
  m.def(
      "checkpoint",
      [](nb::object f) {
        check_function(f, "checkpoint");
        return named_as(f, nb::cpp_function([f](const nb::args& args, const nb::kwargs& kwargs) {
                          const auto kept = [](Function plain, const CallTrees&) {
                            return checkpoint(std::move(plain));
                          };
                          return call_through(f, args, kwargs, kept);
                        }));
      },
      "fun"_a, "The function, whose intermediate results are computed again for its gradient.");
}

}  // namespace

void bind_transforms(Module& m) {
  m.def(
      "value_and_grad",
      [](nb::object f, const IntsArg& argnums, const NamesArg& argnames) {
        return bind_gradient(std::move(f), argnums, argnames, true);
      },
      "fun"_a, "argnums"_a.none() = nb::none(), "argnames"_a.none() = nb::none(),
      "A function that gives the value of fun and its gradients with respect to the named arguments.");
  m.def(
      "grad",
      [](nb::object f, const IntsArg& argnums, const NamesArg& argnames) {
        return bind_gradient(std::move(f), argnums, argnames, false);
      },
      "fun"_a, "argnums"_a.none() = nb::none(), "argnames"_a.none() = nb::none(),
      "A function that gives the gradients of fun, a scalar.");
  m.def(
      "vjp",
      [](nb::object f, const std::vector<array>& primals, const std::vector<array>& cotangents) {
        return vjp(traced(f), primals, cotangents);
      },
      "fun"_a, "primals"_a, "cotangents"_a, "Results of fun, and cotangents of its arguments.");
  m.def(
      "jvp",
      [](nb::object f, const std::vector<array>& primals, const std::vector<array>& tangents) {
        return jvp(traced(f), primals, tangents);
      },
      "fun"_a, "primals"_a, "tangents"_a, "Results of fun, and their derivatives in a direction.");
  m.def("vmap", &bind_vmap, "fun"_a, "in_axes"_a.none() = 0, "out_axes"_a.none() = 0,
        "fun over arrays of one more axis.");
  bind_custom(m);
  // Of uma/_control.py.
  constexpr std::pair<const char*, const char*> kControl[] = {
      {"scan",
       "def scan(f: typing.Callable, init: typing.Any, xs: typing.Any = None, length: int | None = None, "
       "reverse: bool = False) -> tuple[typing.Any, typing.Any]"},
      {"while_loop",
       "def while_loop(cond_fun: typing.Callable, body_fun: typing.Callable, init_val: typing.Any) -> "
       "typing.Any"},
      {"cond",
       "def cond(pred: uma.core.array | bool, true_fun: typing.Callable, false_fun: typing.Callable, "
       "*operands: typing.Any) -> typing.Any"}};
  for (const auto& [name, signature] : kControl)
    m.def(
        name,
        [name = name](const nb::args& args, const nb::kwargs& kwargs) {
          return nb::module_::import_("uma._control").attr(name)(*args, **kwargs);
        },
        nb::sig(signature));
}

}  // namespace uma::python
