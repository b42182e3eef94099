#pragma once
// Docstrings: a binding has a function's sentence, python/docs its shapes, dtypes, errors, source and
// examples. They are text, so that writing them compiles nothing and tests run their examples.
#include <nanobind/nanobind.h>

#include <span>
#include <string>
#include <string_view>

namespace uma::python {

struct DocParts {
  std::string_view name;  // "core.exp": without "uma."
  std::string_view text;
};
/// All of python/docs, sorted by name.
std::span<const DocParts> doc_parts();
/// The sentence, and behind it the parts of module.name, if there are any.
std::string docstring(const char* sentence, std::string_view module, std::string_view name);

/// A module whose functions get their parts by their names.
class Module : public nanobind::module_ {
 public:
  explicit Module(const nanobind::module_& m) : nanobind::module_(m) {}

  template <class F, class... Extra>
  Module& def(const char* name, F&& f, const Extra&... extra) {
    const char* sentence = nullptr;
    ((sentence = or_else(extra, sentence)), ...);
    const std::string doc = docstring(sentence, path(), name);
    if (doc.empty())
      nanobind::module_::def(name, std::forward<F>(f), extra...);
    else
      nanobind::module_::def(name, std::forward<F>(f), extra..., doc.c_str());
    return *this;
  }
  Module def_submodule(const char* name, const char* doc) {
    return Module(nanobind::module_::def_submodule(name, doc));
  }

 private:
  static const char* or_else(const char* text, const char*) { return text; }
  template <class T>
  static const char* or_else(const T&, const char* before) {
    return before;
  }
  std::string path() const;
};

}  // namespace uma::python
