#pragma once
// For the tests of nn and optim: what MLX returned (tools/make_cpp_goldens.py).
#include <string>

#include "io/safetensors.h"
#include "nn/module.h"
#include "ops/creation.h"
#include "ops/testing.h"

namespace uma::testing {

class Golden {
 public:
  explicit Golden(const std::string& name)
      : file_(SafetensorsFile::open(std::string(UMA_SOURCE_DIR) + "/tests/golden/nn/" + name +
                                    ".safetensors")) {}

  array at(const std::string& name) const { return file_->load(name); }
  /// How MLX prints the layer of a case.
  const std::string& text(const std::string& name) const { return file_->metadata().at(name); }
  bool has(const std::string& name) const { return file_->find(name) != nullptr; }
  /// What begins with prefix + "/", without it.
  nn::Parameters group(const std::string& prefix) const {
    nn::Parameters out;
    for (const auto& tensor : file_->tensors())
      if (tensor.name.starts_with(prefix + "/"))
        out.emplace(tensor.name.substr(prefix.size() + 1), file_->load(tensor.name));
    return out;
  }

 private:
  std::shared_ptr<const SafetensorsFile> file_;
};

/// Same paths, shapes and dtypes; values within the tolerance.
inline void expect_near(const nn::Parameters& got, const nn::Parameters& expected, double tolerance) {
  for (const auto& [path, value] : expected) {
    SCOPED_TRACE(path);
    const auto found = got.find(path);
    if (found == got.end()) {
      ADD_FAILURE() << "missing";
      continue;
    }
    expect_near(found->second, value, tolerance, tolerance);
  }
  EXPECT_EQ(got.size(), expected.size());
}

}  // namespace uma::testing
