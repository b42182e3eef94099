#include "core/dot.h"

#include <fmt/format.h>

#include <map>
#include <set>

namespace uma {
namespace {

// A, B, ... Z, AA, AB, ...
std::string letters(size_t n) {
  std::string out;
  for (++n; n > 0; n = (n - 1) / 26) out.insert(out.begin(), static_cast<char>('A' + (n - 1) % 26));
  return out;
}

std::string quoted(const std::string& name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

class DotWriter {
 public:
  DotWriter(const std::vector<array>& outputs, const std::vector<std::pair<std::string, array>>& names) {
    for (const auto& [name, x] : names) names_[x.id()] = name;
    for (const array& x : outputs) sinks_.insert(x.id());
  }

  // Inputs before what needs them; a stack of our own, as graphs may be a million ops deep.
  void walk(const array& root) {
    std::vector<std::pair<array, size_t>> stack{{root, 0}};
    while (!stack.empty()) {
      auto& [x, next] = stack.back();
      const auto node = x.is_ready() ? nullptr : x.node();
      if (next == 0 && !seen_.insert(x.id()).second) {
        stack.pop_back();
      } else if (node && next < node->inputs.size()) {
        const array input = node->inputs[next++];
        stack.emplace_back(input, 0);
      } else {
        write(x, node.get());
        stack.pop_back();
      }
    }
  }

  std::string finish() const { return "digraph {\n" + text_ + "}\n"; }

 private:
  std::string name(const array& x) {
    auto [it, fresh] = names_.try_emplace(x.id());
    if (fresh) it->second = letters(names_.size() - 1);
    return quoted(it->second);
  }

  void write(const array& x, const Node* node) {
    if (!node) {
      text_ += fmt::format("{{ rank=source; {}; }}\n", name(x));
      return;
    }
    const auto op = reinterpret_cast<uintptr_t>(node);
    if (ops_.insert(op).second) {  // once, for an op with several results
      text_ += fmt::format("{{ {} [label=\"{}\", shape=rectangle]; }}\n", op, node->op->name);
      for (const array& input : node->inputs) text_ += fmt::format("{} -> {}\n", name(input), op);
    }
    text_ += fmt::format("{{ {}{}; }}\n{} -> {}\n", sinks_.count(x.id()) ? "rank=sink; " : "", name(x), op,
                         name(x));
  }

  std::map<uintptr_t, std::string> names_;
  std::set<uintptr_t> sinks_, seen_, ops_;
  std::string text_;
};

}  // namespace

std::string to_dot(const std::vector<array>& outputs,
                   const std::vector<std::pair<std::string, array>>& names) {
  DotWriter writer(outputs, names);
  for (const array& x : outputs) writer.walk(x);
  return writer.finish();
}

}  // namespace uma
