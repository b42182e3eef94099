// Products of matrices.
#include "ops/matmul.h"

#include "bind.h"
#include "ops/elementwise.h"
#include "ops/shape.h"

namespace uma::python {

void bind_matmul(Module& m) {
  m.def(
      "matmul",
      [](const array& a, const array& b, const StreamArg& s) {
        StreamScope scope(s);
        return matmul(a, b);
      },
      nb::arg("a"), nb::arg("b"), nb::kw_only(), "stream"_a = nb::none(),
      "Matrix product, batched over leading axes.");
}

}  // namespace uma::python
