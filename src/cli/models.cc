#include "cli/models.h"

#include <cstdlib>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "hub/hub.h"
#include "hub/push.h"
#include "io/gguf.h"

namespace uma::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

hub::PullResult pull_with_progress(hub::Store& store, const std::string& model, const std::string& name,
                                   bool offline) {
  InterruptScope interrupt;
  // Of an address the file's name is enough: it must leave room for the bar.
  ProgressBar bar(printable(!name.empty() ? name : model.substr(model.find_last_of('/') + 1)));
  hub::PullOptions options;
  options.offline = offline;
  options.name = name;
  options.cancel = &interrupt.flag();
  options.on_note = [&](std::string_view text) { bar.note(fmt::format("uma: {}", text)); };
  options.on_progress = [&](const hub::Progress& p) {
    bar.update(static_cast<uint64_t>(p.done_bytes), static_cast<uint64_t>(p.total_bytes));
  };
  return store.pull(model, options);
}

Json to_json(const hub::ModelRecord& m) {
  return {{"name", m.name},       {"path", m.path.string()}, {"bytes", m.bytes}, {"sha256", m.sha256},
          {"licence", m.licence}, {"source", m.source},      {"added", m.added}, {"present", m.present}};
}

std::string date(int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  char text[32];
  gmtime_r(&time, &parts);
  return std::strftime(text, sizeof text, "%Y-%m-%d", &parts) ? text : "";
}

int list_catalogue(const hub::Store& store, bool json) {
  Json rows = Json::array();
  if (!json) outf("{:<24} {:>10}  {:<14} {}\n", "NAME", "SIZE", "LICENCE", "WHAT IT IS");
  for (const hub::CatalogueRow& row : store.catalogue()) {
    rows.push_back({{"name", row.name},
                    {"bytes", row.bytes},
                    {"licence", row.licence},
                    {"description", row.description}});
    if (!json)
      outf("{:<24} {:>10}  {:<14} {}\n", row.name, human_bytes(row.bytes), row.licence, row.description);
  }
  if (json) outf("{}\n", dump({{"models", rows}}));
  return 0;
}

}  // namespace

std::string find_local(const std::string& model) {
  return hub::Store().resolve(model).string();
}

ModelOptions model_options(const Precision& precision) {
  ModelOptions options{.exact = precision.exact};
  if (precision.kv_bits == 8) options.kv_dtype = DType::uint8;
  if (precision.kv_bits == 16) options.kv_dtype = DType::float16;
  if (precision.kv_bits == 32) options.kv_dtype = DType::float32;
  return options;
}

std::string find_or_pull(const std::string& model, bool offline) {
  hub::Store store;
  try {
    return store.resolve(model).string();
  } catch (const Error& e) {
    const bool fetch = !offline && !hub::offline_by_environment();
    if (e.code() != ErrorCode::kNotFound || !fetch || !hub::find_row(store.catalogue(), model)) throw;
  }
  note(fmt::format("uma: {} is not here yet; fetching it once", model));
  return pull_with_progress(store, model, "", offline).model.path.string();
}

int pull(const ModelsOptions& o) {
  hub::Store store;
  const hub::PullResult result = pull_with_progress(store, o.model, o.name, o.offline);
  if (o.json) {
    Json json = to_json(result.model);
    json["already"] = result.already;
    json["downloaded_bytes"] = result.downloaded_bytes;
    outf("{}\n", dump(json));
  } else {
    const bool expected =
        hub::find_row(store.catalogue(), o.model) != nullptr;  // else the hash is only noted
    const std::string hash =
        expected ? "SHA-256 as expected" : "SHA-256 " + result.model.sha256.substr(0, 12) + "...";
    note(fmt::format("{}: {}, {}{}", result.model.name, human_bytes(result.model.bytes),
                     result.already ? "already here" : "fetched, " + hash,
                     result.model.licence.empty() ? "" : ", licence: " + result.model.licence));
  }
  return 0;
}

std::string push_key() {
  const char* key = std::getenv("UMA_PUSH_KEY");
  return key ? key : "";
}

int push(const ModelsOptions& o) {
  InterruptScope interrupt;
  ProgressBar bar(printable(o.model));
  hub::PushOptions options{.to = o.to, .name = o.name, .key = push_key(), .offline = o.offline};
  options.cancel = &interrupt.flag();
  options.on_progress = [&](const hub::ModelRecord&, int64_t done, int64_t total) {
    bar.update(static_cast<uint64_t>(done), static_cast<uint64_t>(total));
  };
  const hub::PushResult result = hub::push({}, o.model, options);
  bar.finish();
  if (o.json)
    outf("{}\n", dump({{"name", result.name},
                       {"sha256", result.model.sha256},
                       {"already", result.already},
                       {"uploaded_bytes", result.uploaded_bytes}}));
  else
    note(fmt::format("{} is on {}{}", result.name, printable(o.to),
                     result.already ? ", which had its file" : ""));
  return 0;
}

int list(const ModelsOptions& o) {
  const hub::Store store;
  if (o.available) return list_catalogue(store, o.json);
  const std::vector<hub::ModelRecord> models = store.list();
  if (o.json) {
    Json rows = Json::array();
    for (const auto& m : models) rows.push_back(to_json(m));
    outf("{}\n", dump({{"models", rows}}));
    return 0;
  }
  if (models.empty())
    note("no models here yet; `uma list --available` names some, `uma pull NAME` fetches one");
  if (!models.empty())
    outf("{:<28} {:>10}  {:<12} {:<10} {}\n", "NAME", "SIZE", "SHA-256", "ADDED", "LICENCE");
  for (const auto& m : models)
    outf("{:<28} {:>10}  {:<12} {:<10} {}{}\n", m.name, human_bytes(m.bytes), m.sha256.substr(0, 12),
         date(m.added), m.licence, m.present ? "" : "  (file missing: pull it again)");
  return 0;
}

int remove(const ModelsOptions& o) {
  hub::Store store;
  const hub::ModelRecord gone = store.remove(o.model);
  if (o.json)
    outf("{}\n", dump({{"removed", gone.name}}));
  else
    note("removed " + gone.name);
  return 0;
}

int copy(const ModelsOptions& o) {
  hub::Store store;
  const hub::ModelRecord made = store.copy(o.model, o.target);
  if (o.json)
    outf("{}\n", dump(to_json(made)));
  else
    note(fmt::format("{} is now also {}", o.model, made.name));
  return 0;
}

}  // namespace uma::cli
