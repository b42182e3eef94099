// libFuzzer target of import_function. Whatever the bytes are: a function that can be called, or one Error
// tagged "import_function".
#include <cstdlib>

#include "backend/install.h"
#include "base/error.h"
#include "core/eval.h"
#include "fuzz.h"
#include "graph/export.h"
#include "ops/shape.h"

namespace {

// Larger results are legal, and take longer than they teach.
constexpr int64_t kMostElements = 1 << 12;

bool is_small(const uma::array& a) {
  if (a.size() > kMostElements) return false;
  for (const uma::PlanStep& step : uma::plan_of({&a, 1}))
    if (uma::num_elements(step.shape) > kMostElements) return false;
  return true;
}

void call(const uma::ImportedFunction& f) {
  std::vector<uma::array> args;
  uma::Keywords keywords;
  for (const uma::CallSignature& c : f.calls()) {
    args.clear();
    keywords.clear();
    for (size_t i = 0; i < c.arguments.size(); ++i) {
      const auto& [shape, dtype] = c.arguments[i];
      const uma::array one = uma::broadcast_to(uma::array(1, dtype), shape);
      if (i < c.positional)
        args.push_back(one);
      else
        keywords.emplace(c.keywords[i - c.positional], one);
    }
    try {
      for (const uma::array& out : f(args, keywords))
        if (is_small(out)) uma::eval(out);
    } catch (const uma::Error& e) {
      expect_sentence(e, "");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool installed = (uma::install_backends(), true);
  if (!installed) std::abort();
  try {
    const MemoryFile file(data, size);
    call(uma::import_function(file.path()));
  } catch (const uma::Error& e) {
    expect_sentence(e, "import_function");
  }
  return 0;
}
