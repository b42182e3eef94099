// Functions to files and back (graph/export.h): their Python arguments and results.
#include "graph/export.h"

#include "bind.h"
#include "graph/params.h"
#include "graph/rules.h"
#include "tree.h"

namespace uma::python {
namespace {

struct Call {
  std::vector<array> args;
  Keywords keywords;
};

/// `*args, **kwargs` of arrays, or one list or tuple and/or one dict of them in their place.
Call call_of(const nb::args& args, const nb::kwargs& kwargs, std::string_view op) {
  Call call;
  bool good = true;
  const auto add = [&](nb::handle item) {
    good = good && nb::isinstance<array>(item);
    if (good) call.args.push_back(nb::cast<array>(item));
  };
  const auto add_named = [&](nb::handle named) {
    for (auto [name, value] : nb::borrow<nb::dict>(named)) {
      good = good && nb::isinstance<nb::str>(name) && nb::isinstance<array>(value);
      if (good) call.keywords.insert_or_assign(nb::cast<std::string>(name), nb::cast<array>(value));
    }
  };
  const auto is_list = [](nb::handle x) { return PyTuple_Check(x.ptr()) || PyList_Check(x.ptr()); };
  if (args.size() > 0 && (is_list(args[0]) || PyDict_Check(args[0].ptr()))) {
    const size_t lists = is_list(args[0]) ? 1 : 0;
    if (lists)
      for (nb::handle item : args[0]) add(item);
    const bool has_dict = args.size() > lists && PyDict_Check(args[lists].ptr());
    if (has_dict) add_named(args[lists]);
    good = good && args.size() == lists + has_dict && kwargs.size() == 0;
  } else {
    for (nb::handle item : args) add(item);
  }
  add_named(kwargs);
  check(good, ErrorCode::kInvalidArgument, op,
        "takes arrays as arguments by place and by name, or instead one tuple or list of arrays and/or one "
        "dict of them");
  return call;
}

KeywordFunction function_of(nb::object fun) {
  return [shared = SharedObject(std::move(fun))](const std::vector<array>& args, const Keywords& keywords) {
    nb::list list;
    for (const array& a : args) list.append(a);
    nb::dict named;
    for (const auto& [name, a] : keywords) named[name.c_str()] = a;
    const nb::object result = nb::borrow(shared.get())(*list, **named);
    if (nb::isinstance<array>(result)) return std::vector{nb::cast<array>(result)};
    std::vector<array> out;
    bool good = PyTuple_Check(result.ptr()) || PyList_Check(result.ptr());
    if (good)
      for (nb::handle item : result) {
        good = good && nb::isinstance<array>(item);
        if (good) out.push_back(nb::cast<array>(item));
      }
    check(good, ErrorCode::kInvalidArgument, "export_function",
          "the function must return an array, or a tuple or list of arrays, not {}",
          nb::type_name(result.type()).c_str());
    return out;
  };
}

nb::tuple tuple_of(const std::vector<array>& arrays) {
  nb::list out;
  for (const array& a : arrays) out.append(a);
  return nb::tuple(out);
}

// -- To a callback --

/// The parameters of an op as Python values.
class Values final : public params::Sink {
 public:
  void integer(int64_t value) override { add(nb::cast(value)); }
  void real(double value) override { add(nb::cast(value)); }
  void boolean(bool value) override { add(nb::cast(value)); }
  void dtype(DType value) override { add(nb::cast(Dtype{value})); }
  void list(size_t items) override { open(items); }
  void group(size_t members) override { open(members); }
  nb::list take() { return out_; }

 private:
  void open(size_t items) {
    nb::list inner;
    add(inner);
    if (items > 0) open_.emplace_back(inner, items);
  }
  // Into the innermost list that is not full.
  void add(const nb::object& value) {
    if (open_.empty()) return out_.append(value);
    auto& [list, left] = open_.back();
    list.append(value);
    if (--left == 0) open_.pop_back();
  }
  nb::list out_;
  std::vector<std::pair<nb::list, size_t>> open_;
};

/// Names arrays A, B, ..., Z, AA, AB, ... in the order in which they are asked for.
class Names {
 public:
  std::string of(uint32_t number) {
    const auto [it, fresh] = names_.emplace(number, "");
    if (!fresh) return it->second;
    for (size_t n = names_.size(); n > 0; n = (n - 1) / 26)
      it->second.insert(it->second.begin(), static_cast<char>('A' + (n - 1) % 26));
    return it->second;
  }

 private:
  std::unordered_map<uint32_t, std::string> names_;
};

/// Tells a callback of a trace, piece by piece: dicts of MLX's layout, with our ops.
class Teller {
 public:
  Teller(const FunctionTrace& trace, nb::object callback)
      : trace_(trace), graph_(trace.graph), all_(graph_.signatures()), callback_(std::move(callback)) {}

  void tell() {
    nb::list inputs;
    for (uint32_t i = 0; i < graph_.arguments.size(); ++i) inputs.append(described(i));
    call("inputs", "inputs", inputs);
    nb::list keywords;
    for (size_t i = 0; i < trace_.call.keywords.size(); ++i)
      keywords.append(nb::make_tuple(trace_.call.keywords[i],
                                     names_.of(static_cast<uint32_t>(trace_.call.positional + i))));
    call("keyword_inputs", "keywords", keywords);
    call("outputs", "outputs", described(graph_.results));
    nb::list constants;
    auto next = static_cast<uint32_t>(graph_.arguments.size());
    for (const array& a : graph_.constants) constants.append(nb::make_tuple(names_.of(next++), a));
    call("constants", "constants", constants);
    for (const Graph::Step& step : graph_.steps) next = tell(step, next);
  }

 private:
  uint32_t tell(const Graph::Step& step, uint32_t next) {
    nb::dict d;
    d["type"] = "primitive";
    d["name"] = std::string(step.node->op->name);
    d["inputs"] = described(step.inputs);
    std::vector<uint32_t> outputs;
    for (size_t i = 0; i < step.outputs.size(); ++i) outputs.push_back(next++);
    d["outputs"] = described(outputs);
    Values values;
    visit_params(*step.node, values);
    d["arguments"] = values.take();
    callback_(d);
    return next;
  }

  nb::tuple described(uint32_t number) {
    const Signature& s = all_[number];
    return nb::make_tuple(names_.of(number), python::tuple_of(s.shape), Dtype{s.dtype});
  }
  nb::list described(const std::vector<uint32_t>& numbers) {
    nb::list out;
    for (const uint32_t n : numbers) out.append(described(n));
    return out;
  }
  void call(const char* type, const char* key, nb::list value) {
    nb::dict d;
    d["type"] = type;
    d[key] = value;
    callback_(d);
  }

  const FunctionTrace& trace_;
  const Graph& graph_;
  std::vector<Signature> all_;
  nb::object callback_;
  Names names_;
};

// -- To files --

// Waiting for another thread, and for the disk, needs no GIL.
void add(FunctionExporter& out, const Call& call) {
  FunctionTrace trace = trace_function(out.function(), call.args, call.keywords, out.shapeless());
  nb::gil_scoped_release release;
  out.add(std::move(trace));
}
void close(FunctionExporter& out) {
  nb::gil_scoped_release release;
  out.close();
}

void export_function(nb::handle target, nb::object fun, const nb::args& args, bool shapeless,
                     const std::optional<std::string>& metadata, const nb::kwargs& kwargs) {
  constexpr std::string_view kOp = "export_function";
  if (nb::isinstance<nb::str>(target)) {
    const Call call = call_of(args, kwargs, kOp);
    FunctionExporter out(nb::cast<std::string>(target), function_of(std::move(fun)), shapeless,
                         metadata.value_or(""));
    add(out, call);
    return close(out);
  }
  check(PyCallable_Check(target.ptr()), ErrorCode::kUnsupported, kOp,
        "exports to a file by its name or to a callback, not to {}", nb::type_name(target.type()).c_str());
  check(!metadata, ErrorCode::kInvalidArgument, kOp, "metadata go to files, not to callbacks");
  const Call call = call_of(args, kwargs, kOp);
  const FunctionTrace trace =
      trace_function(function_of(std::move(fun)), call.args, call.keywords, shapeless);
  Teller(trace, nb::borrow(target)).tell();
}

// A bad file is a RuntimeError in MLX, where other things of a bad format are ValueErrors.
ImportedFunction read(const std::string& path) {
  nb::gil_scoped_release release;
  try {
    return import_function(path);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kFormat) throw;
    throw std::runtime_error(e.what());
  }
}

}  // namespace

void bind_export(nb::module_& m) {
  nb::class_<ImportedFunction>(m, "_ImportedFunction")
      .def("__call__",
           [](const ImportedFunction& self, const nb::args& args, const nb::kwargs& kwargs) {
             const Call call = call_of(args, kwargs, "import_function");
             return tuple_of(self(call.args, call.keywords));
           })
      .def("__repr__",
           [](const ImportedFunction& self) { return "<imported function of " + self.signatures() + ">"; });
  nb::class_<FunctionExporter>(m, "FunctionExporter",
                               "Writes traces of one function to one file; made by exporter().")
      .def("__call__", [](FunctionExporter& self, const nb::args& args,
                          const nb::kwargs& kwargs) { add(self, call_of(args, kwargs, "export_function")); })
      .def("close", &close, "Writes the file, which is not there before.")
      .def("__enter__", [](nb::object self) { return self; })
      .def(
          "__exit__",
          [](FunctionExporter& self, nb::handle type, nb::handle, nb::handle) {
            type.is_none() ? close(self) : self.discard();
          },
          "exc_type"_a.none() = nb::none(), "exc_value"_a.none() = nb::none(),
          "traceback"_a.none() = nb::none());
  m.def(
      "export_function", &export_function, "file_or_callback"_a, "fun"_a, "args"_a, nb::kw_only(),
      "shapeless"_a = false, "metadata"_a.none() = nb::none(), "kwargs"_a,
      "Writes what fun does to arrays like these to a file that import_function reads, or tells a callback "
      "of it "
      "in dicts. args and kwargs are arrays, or a tuple and a dict of arrays. shapeless: it serves other "
      "extents "
      "as well. metadata is text to keep beside it. Custom functions are written as the ops that they ran.");
  m.def(
      "exporter",
      [](const std::string& file, nb::callable fun, bool shapeless,
         const std::optional<std::string>& metadata) {
        return FunctionExporter(file, function_of(std::move(fun)), shapeless, metadata.value_or(""));
      },
      "file"_a, "fun"_a, nb::kw_only(), "shapeless"_a = false, "metadata"_a.none() = nb::none(),
      "A context in which each call of the result adds a trace of fun to the file. The file appears when the "
      "context ends, and not if it ends by an exception.");
  m.def(
      "import_function",
      [](const std::string& file, bool return_metadata) -> nb::object {
        ImportedFunction f = read(file);
        if (!return_metadata) return nb::cast(std::move(f));
        const std::string metadata = f.metadata();
        return nb::make_tuple(std::move(f), metadata);
      },
      "file"_a, "return_metadata"_a = false,
      "The function of a file that export_function or an exporter wrote. It takes arrays by place and by "
      "name, or a "
      "tuple and a dict of them, and returns a tuple.");
}

}  // namespace uma::python
