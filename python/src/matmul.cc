// Products of matrices.
#include "ops/matmul.h"

#include "bind.h"
#include "ops/elementwise.h"
#include "ops/shape.h"

namespace uma::python {

void bind_matmul(nb::module_& m) {
  m.def(
      "matmul",
      [](const array& a, const array& b, const StreamArg& s) {
        StreamScope scope(s);
        return matmul(a, b);
      },
      nb::arg("a"), nb::arg("b"), nb::kw_only(), "stream"_a = nb::none(),
      "Matrix product, batched over leading axes.");
  m.def(
      "addmm",
      [](const array& c, const array& a, const array& b, double alpha, double beta, const StreamArg& s) {
        StreamScope scope(s);
        const array product = alpha == 1 ? matmul(a, b) : matmul(a, b) * alpha;
        return product + (beta == 1 ? c : c * beta);
      },
      nb::arg("c"), nb::arg("a"), nb::arg("b"), "alpha"_a = 1.0, "beta"_a = 1.0, nb::kw_only(),
      "stream"_a = nb::none(), "beta c + alpha a b.");
}

}  // namespace uma::python
