// Products beyond matmul, einsum.
#include "ops/products.h"

#include "bind.h"
#include "ops/einsum.h"

namespace uma::python {
namespace {

using Ints = std::vector<int>;
using MaybeArray = std::optional<array>;
using Pair = array (*)(const array&, const array&);

void bind_blocks(Module& m) {
  const auto kw = nb::kw_only();
  m.def(
      "addmm",
      [](const Operand& c, const Operand& a, const Operand& b, double alpha, double beta,
         const StreamArg& s) {
        StreamScope scope(s);
        return addmm(to_array(c), to_array(a), to_array(b), alpha, beta);
      },
      nb::arg(), nb::arg(), nb::arg(), "alpha"_a = 1.0, "beta"_a = 1.0, kw, "stream"_a = nb::none(),
      "alpha (a b) + beta c.");
  m.def("block_masked_mm", on_stream(&block_masked_mm), nb::arg(), nb::arg(), "block_size"_a = 64,
        "mask_out"_a.none() = nb::none(), "mask_lhs"_a.none() = nb::none(), "mask_rhs"_a.none() = nb::none(),
        kw, "stream"_a = nb::none(), "a b with blocks scaled or left out.");
  m.def("segmented_mm", on_stream(&segmented_mm), nb::arg(), nb::arg(), "segments"_a, kw,
        "stream"_a = nb::none(), "One product for every segment of the inner axis.");
  m.def(
      "gather_mm",
      [](const array& a, const array& b, const MaybeArray& lhs, const MaybeArray& rhs, bool,
         const StreamArg& s) {
        StreamScope scope(s);
        return gather_mm(a, b, lhs, rhs);
      },
      nb::arg(), nb::arg(), "lhs_indices"_a.none() = nb::none(), "rhs_indices"_a.none() = nb::none(), kw,
      "sorted_indices"_a = false, "stream"_a = nb::none(), "Products of the matrices that indices name.");
  m.def("hadamard_transform", on_stream(&hadamard_transform), "a"_a, "scale"_a.none() = nb::none(),
        "stream"_a = nb::none(), "The Walsh-Hadamard transform along the last axis.");
}

}  // namespace

void bind_products(Module& m) {
  const auto kw = nb::kw_only();
  const auto def = [&](const char* name, Pair f, const char* doc) {
    m.def(name, on_stream(f), nb::arg(), nb::arg(), kw, "stream"_a = nb::none(), doc);
  };
  def("outer", &outer, "a_i b_j of the flattened arrays.");
  def("inner", &inner, "Sum over the last axes.");
  m.def("kron", on_stream(&kron), "a"_a, "b"_a, kw, "stream"_a = nb::none(),
        "Every element of a times the whole of b.");
  m.def("vecdot", on_stream(&vecdot), nb::arg(), nb::arg(), kw, "axis"_a = -1, "stream"_a = nb::none(),
        "Sum of a b along an axis.");
  m.def(
      "tensordot",
      [](const array& a, const array& b, const std::variant<int, std::vector<Ints>>& axes,
         const StreamArg& s) {
        StreamScope scope(s);
        if (axes.index() == 0) return tensordot(a, b, std::get<int>(axes));
        const auto& pair = std::get<std::vector<Ints>>(axes);
        check(pair.size() == 2, ErrorCode::kInvalidArgument, "tensordot", "axes are two lists, not {}",
              pair.size());
        return tensordot(a, b, pair[0], pair[1]);
      },
      nb::arg(), nb::arg(), "axes"_a = 2, kw, "stream"_a = nb::none(), "Sum over pairs of axes.");
  m.def(
      "einsum",
      [](const std::string& subscripts, const nb::args& operands, const StreamArg& s) {
        StreamScope scope(s);
        return einsum(subscripts, nb::cast<std::vector<array>>(operands));
      },
      "subscripts"_a, "operands"_a, kw, "stream"_a = nb::none(), "Einstein's summation.");
  m.def(
      "einsum_path",
      [](const std::string& subscripts, const nb::args& operands) {
        const auto [path, text] = einsum_path(subscripts, nb::cast<std::vector<array>>(operands));
        nb::list steps;
        for (const auto& step : path) steps.append(nb::tuple(nb::cast(step)));
        return nb::make_tuple(steps, text);
      },
      "subscripts"_a, "operands"_a, "The order of einsum's contractions, and their cost in words.");
  bind_blocks(m);
}

}  // namespace uma::python
