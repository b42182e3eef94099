// What a program may ask of the library: its array API, a picture of a graph.
#include <fstream>

#include "bind.h"
#include "core/dot.h"

namespace uma::python {
namespace {

struct NamespaceInfo {};

// The array API's own dtypes; halves are beyond it.
constexpr DType kStandard[] = {DType::bool_,  DType::int8,    DType::int16,     DType::int32,
                               DType::int64,  DType::uint8,   DType::uint16,    DType::uint32,
                               DType::uint64, DType::float32, DType::complex64, DType::float64};

nb::dict standard_dtypes(const nb::object& kind) {
  const nb::object isdtype = nb::module_::import_("uma.core").attr("isdtype");
  nb::dict out;
  for (const DType d : kStandard)
    if (kind.is_none() || nb::cast<bool>(isdtype(Dtype{d}, kind)))
      out[nb::str(std::string(name_of(d)).c_str())] = Dtype{d};
  return out;
}

void bind_namespace_info(Module& m) {
  nb::class_<NamespaceInfo>(m, "_ArrayNamespaceInfo", "What the Python array API asks about this module.")
      .def("capabilities",
           [](const NamespaceInfo&) {
             nb::dict out;
             out["boolean indexing"] = true;
             out["data-dependent shapes"] = false;
             out["max dimensions"] = nb::none();
             return out;
           })
      .def("default_device", [](const NamespaceInfo&) { return default_device(); })
      .def(
          "default_dtypes",
          [](const NamespaceInfo&, const nb::object&) {
            nb::dict out;
            out["real floating"] = Dtype{DType::float32};
            out["complex floating"] = Dtype{DType::complex64};
            out["integral"] = Dtype{DType::int32};
            out["indexing"] = Dtype{DType::int32};
            return out;
          },
          nb::kw_only(), "device"_a.none() = nb::none())
      .def("devices", [](const NamespaceInfo&) { return nb::make_tuple(Device{}); })
      .def(
          "dtypes",
          [](const NamespaceInfo&, const nb::object&, const nb::object& kind) {
            return standard_dtypes(kind);
          },
          nb::kw_only(), "device"_a.none() = nb::none(), "kind"_a.none() = nb::none());
  m.def(
      "__array_namespace_info__", [] { return NamespaceInfo{}; },
      "What the Python array API asks about this module.");
}

void write_text(const nb::object& file, const std::string& text) {
  if (nb::hasattr(file, "write")) {
    file.attr("write")(text);
    return;
  }
  const auto path = nb::cast<std::string>(nb::str(file));
  std::ofstream out(path);
  out << text;
  out.close();
  check(out.good(), ErrorCode::kIo, "export_to_dot", "cannot write '{}'", path);
}

}  // namespace

void bind_inspect(Module& m) {
  bind_namespace_info(m);
  m.def(
      "export_to_dot",
      [](const nb::object& file, const nb::args& outputs, const nb::kwargs& names) {
        std::vector<std::pair<std::string, array>> named;
        for (auto [key, value] : names)
          named.emplace_back(nb::cast<std::string>(key), nb::cast<array>(value));
        write_text(file, to_dot(nb::cast<std::vector<array>>(outputs), named));
      },
      "file"_a, "args"_a, "kwargs"_a, "The graph of what is not computed yet, in the DOT language.");
}

}  // namespace uma::python
