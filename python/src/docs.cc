#include "docs.h"

#include <nanobind/stl/string.h>

#include <algorithm>

namespace uma::python {

std::string docstring(const char* sentence, std::string_view module, std::string_view name) {
  std::string doc = sentence ? sentence : "";
  const std::string key = std::string(module) + "." + std::string(name);
  const auto all = doc_parts();
  const auto found = std::lower_bound(all.begin(), all.end(), key,
                                      [](const DocParts& p, const std::string& k) { return p.name < k; });
  if (found == all.end() || found->name != key) return doc;
  if (!doc.empty()) doc += "\n\n";
  return doc += found->text;
}

std::string Module::path() const {
  auto name = nanobind::cast<std::string>(attr("__name__"));
  // "uma.core" is "core", "uma.core.linalg" is "linalg"
  const size_t dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

}  // namespace uma::python
