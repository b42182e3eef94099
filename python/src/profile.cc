// profile: what ops cost while a context lives (core/profile.h).
#include "core/profile.h"

#include "bind.h"
#include "fast/flops.h"
#include "io/file_writer.h"

namespace uma::python {

void bind_profile(Module& m) {
  nb::class_<Profile>(m, "Profile",
                      "What ops cost while a context lives; made by profile(). print() shows a table.")
      .def("__enter__",
           [](nb::object self) {
             nb::cast<Profile&>(self).start();
             return self;
           })
      .def(
          "__exit__", [](Profile& self, nb::handle, nb::handle, nb::handle) { self.stop(); },
          "exc_type"_a.none() = nb::none(), "exc_value"_a.none() = nb::none(),
          "traceback"_a.none() = nb::none())
      .def("start", &Profile::start, "What the context does when it begins.")
      .def("stop", &Profile::stop, "What the context does when it ends.")
      .def_prop_ro(
          "ops",
          [](const Profile& self) {
            nb::list out;
            for (const Profile::Row& row : self.rows()) {
              nb::dict d;
              d["name"] = std::string(row.op->name);
              d["count"] = row.count;
              d["seconds"] = static_cast<double>(row.total.nanoseconds) * 1e-9;
              d["bytes_read"] = row.total.bytes_read;
              d["bytes_written"] = row.total.bytes_written;
              d["flops"] = row.total.flops;
              out.append(d);
            }
            return out;
          },
          "A dict for each op: name, count, seconds, bytes_read, bytes_written, flops; the most time first.")
      .def("json", &Profile::to_json, "The same, and the wall time, as JSON.")
      .def(
          "save_chrome_trace",
          [](const Profile& self, const std::string& path) {
            nb::gil_scoped_release release;
            write_file(path, self.to_chrome_trace());
          },
          "file"_a, "Writes every op that ran to a file that chrome://tracing and ui.perfetto.dev show.")
      .def("__str__", &Profile::to_text)
      .def("__repr__", &Profile::to_text);
  m.def(
      "profile", [] { return new Profile(&flops_of); },
      "A context that counts each op that is evaluated while it lives, on whatever thread: how often, how "
      "long, the "
      "bytes of its arrays, and the flops of products and attention. Arrays are lazy: evaluate them inside.");
}

}  // namespace uma::python
