// uma.core.distributed: groups of processes. Until there is a transport, every group has one member, whose
// collective results are its own arrays.
#include "bind.h"

namespace uma::python {
namespace {

struct Group {
  int rank() const { return 0; }
  int size() const { return 1; }
};
using MaybeGroup = std::optional<Group>;

array itself(const array& x, const MaybeGroup&, const StreamArg&) {
  return x;
}

[[noreturn]] void no_peer(std::string_view op) {
  fail(ErrorCode::kInvalidArgument, op, "needs a second process, and this group has one");
}

}  // namespace

void bind_distributed(Module& parent) {
  Module m = parent.def_submodule("distributed", "Collective operations over a group of processes.");
  nb::class_<Group>(m, "Group", "Processes that work together.")
      .def("rank", &Group::rank)
      .def("size", &Group::size)
      .def(
          "split", [](const Group& g, int, int) { return g; }, "color"_a, "key"_a = -1);
  m.def(
      "is_available", [](const std::string&) { return false; }, "backend"_a = "any",
      "True if processes can be joined.");
  m.def(
      "init",
      [](bool strict, const std::string& backend) {
        check(!strict, ErrorCode::kDevice, "distributed", "there is no backend '{}' to join processes with",
              backend);
        return Group{};
      },
      "strict"_a = false, "backend"_a = "any", "The group of all processes.");
  for (const char* name : {"all_sum", "all_max", "all_min", "all_gather", "sum_scatter"})
    m.def(name, &itself, nb::arg("x"), nb::kw_only(), "group"_a.none() = nb::none(), "stream"_a = nb::none());
  m.def(
      "send", [](const array&, int, const MaybeGroup&, const StreamArg&) -> array { no_peer("send"); },
      nb::arg("x"), "dst"_a, nb::kw_only(), "group"_a.none() = nb::none(), "stream"_a = nb::none());
  m.def(
      "recv",
      [](const ShapeArg&, Dtype, int, const MaybeGroup&, const StreamArg&) -> array { no_peer("recv"); },
      "shape"_a, "dtype"_a, "src"_a, nb::kw_only(), "group"_a.none() = nb::none(), "stream"_a = nb::none());
  m.def(
      "recv_like",
      [](const array&, int, const MaybeGroup&, const StreamArg&) -> array { no_peer("recv_like"); },
      nb::arg("x"), "src"_a, nb::kw_only(), "group"_a.none() = nb::none(), "stream"_a = nb::none());
}

}  // namespace uma::python
