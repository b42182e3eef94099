#pragma once
// For the tests of exported functions: a function through a file, compared with itself bit for bit.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/eval.h"
#include "core/kernel.h"
#include "graph/export.h"
#include "io/testing.h"
#include "ops/testing.h"

namespace uma::testing {

/// Row-major bytes.
inline std::string bytes_of(const array& a) {
  eval(a);
  const array flat = row_contiguous(a);
  return {reinterpret_cast<const char*>(flat.bytes()), static_cast<size_t>(flat.nbytes())};
}

inline void expect_equal_bits(const std::vector<array>& got, const std::vector<array>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) {
    SCOPED_TRACE("result " + std::to_string(i));
    EXPECT_EQ(got[i].shape(), wanted[i].shape());
    EXPECT_EQ(got[i].dtype(), wanted[i].dtype());
    EXPECT_TRUE(bytes_of(got[i]) == bytes_of(wanted[i]));
  }
}

/// Exports f, imports it, and calls both.
inline void expect_survives_a_file(const Function& f, const std::vector<array>& x) {
  const testing_files::Folder folder;
  const std::string path = folder.path("f");
  export_function(path, f, x);
  expect_equal_bits(import_function(path)(x), f(x));
}

}  // namespace uma::testing
