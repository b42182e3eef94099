// Which file a model's name stands for, and how it comes here.
#include <atomic>

#include "base/error.h"
#include "hub/hub.h"
#include "lm.h"

namespace uma::python {
namespace {

/// The file of a model that is here. Raises FileNotFoundError where there is none.
std::string resolve(const std::string& model) {
  try {
    nb::gil_scoped_release release;
    return hub::Store().resolve(model).string();
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kNotFound) throw;
    PyErr_SetString(PyExc_FileNotFoundError, e.what());
    throw nb::python_error();
  }
}

std::string_view word(hub::Progress::Stage stage) {
  using Stage = hub::Progress::Stage;
  switch (stage) {
    case Stage::kWaiting:
      return "waiting";
    case Stage::kConnecting:
      return "connecting";
    case Stage::kDownloading:
      return "fetching";
    case Stage::kVerifying:
      break;
  }
  return "verifying";
}

/// Fetches a model. What a callback raises, and Ctrl-C, stops the pull and is raised here.
std::string pull(const std::string& model, const nb::callable& on_progress, const nb::callable& on_note) {
  std::atomic<bool> cancel = false;
  std::optional<nb::python_error> raised;
  const auto call = [&](const auto& f) {
    nb::gil_scoped_acquire gil;
    if (raised) return;
    try {
      f();
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
    } catch (nb::python_error& e) {
      raised.emplace(std::move(e));
      cancel = true;
    }
  };
  hub::PullOptions options;
  options.cancel = &cancel;
  options.on_progress = [&](const hub::Progress& p) {
    call([&] { on_progress(nb::cast(word(p.stage)), p.done_bytes, p.total_bytes); });
  };
  options.on_note = [&](std::string_view text) { call([&] { on_note(nb::cast(text)); }); };
  std::string path;
  try {
    nb::gil_scoped_release release;
    path = hub::Store().pull(model, options).model.path.string();
  } catch (const Error&) {
    if (!raised) throw;
  }
  if (raised) throw std::move(*raised);
  return path;
}

}  // namespace

void bind_lm_hub(Module& m) {
  m.def("resolve", &resolve, "model"_a);
  m.def(
      "in_catalogue",
      [](const std::string& name) { return hub::find_row(hub::builtin_catalogue(), name) != nullptr; },
      "name"_a);
  m.def("pull", &pull, "model"_a, "on_progress"_a, "on_note"_a);
}

}  // namespace uma::python
