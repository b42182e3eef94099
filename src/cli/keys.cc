// keys: who may ask this machine's server.
#include "serve/keys.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "cli/options.h"
#include "cli/output.h"
#include "hub/hub.h"
#include "hub/names.h"
#include "serve/clock.h"

namespace uma::cli {
namespace {

using Json = nlohmann::ordered_json;
using serve::KeyRecord;

std::string time_text(int64_t seconds) {
  return seconds == 0 ? "-" : serve::rfc3339(seconds).substr(0, 16) + "Z";
}

const char* state_of(const KeyRecord& key) {
  return key.revoked != 0 ? "revoked" : key.is_good(std::time(nullptr)) ? "good" : "expired";
}

Json to_json(const KeyRecord& k) {
  return {{"id", k.id},
          {"name", k.name},
          {"role", serve::to_string(k.role)},
          {"state", state_of(k)},
          {"models", k.models},
          {"endpoints", k.endpoints},
          {"created", k.created},
          {"expires", k.expires},
          {"revoked", k.revoked},
          {"requests_per_minute", k.requests_per_minute},
          {"tokens_per_day", k.tokens_per_day},
          {"tokens_today", k.tokens_today},
          {"least_priority", k.may_ask_priority()}};
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int64_t expiry(const std::string& text) {
  if (text.empty()) return 0;
  const bool days = text.ends_with('d');
  const auto given = serve::parse_duration(days ? text.substr(0, text.size() - 1) + "h" : text);
  const double seconds = given ? *given * (days ? 24 : 1) : 0;
  if (!(seconds >= 1 && seconds < 1e10))
    throw UsageError("keys",
                     fmt::format("--expires takes a duration such as 90d or 12h, not '{}'", printable(text)));
  return std::time(nullptr) + static_cast<int64_t>(seconds);
}

int add(serve::KeyStore& store, const KeysOptions& o) {
  KeyRecord record{.name = o.name,
                   .role = *serve::role_of(o.role),
                   .models = o.models,
                   .endpoints = o.endpoints,
                   .expires = expiry(o.expires),
                   .requests_per_minute = o.requests_per_minute,
                   .tokens_per_day = o.tokens_per_day,
                   .least_priority = o.least_priority};
  for (const std::string& model : record.models) hub::check_model_name(model);
  for (const std::string& path : record.endpoints)
    if (!path.starts_with('/'))
      throw UsageError("keys",
                       fmt::format("--endpoint takes a path such as '/v1/*', not '{}'", printable(path)));
  const std::string key = store.add(record);
  if (o.json) {
    Json json = to_json(record);
    json["key"] = key;
    outf("{}\n", dump(json));
  } else {
    outf("{}\n", key);
    note("uma: this key is shown once; it is kept as a hash only");
  }
  return 0;
}

int list(const serve::KeyStore& store, bool json) {
  const std::vector<KeyRecord> keys = store.list();
  if (json) {
    Json rows = Json::array();
    for (const KeyRecord& k : keys) rows.push_back(to_json(k));
    outf("{}\n", dump({{"keys", rows}}));
    return 0;
  }
  if (keys.empty()) note("no keys here yet; `uma keys add NAME` makes one");
  if (!keys.empty())
    outf("{:<10} {:<20} {:<8} {:<8} {:<18} {:>12}  {}\n", "ID", "NAME", "ROLE", "STATE", "EXPIRES",
         "TOKENS TODAY", "MAY USE");
  for (const KeyRecord& k : keys)
    outf("{:<10} {:<20} {:<8} {:<8} {:<18} {:>12}  {}\n", k.id, k.name, serve::to_string(k.role), state_of(k),
         time_text(k.expires), k.tokens_today,
         k.models.empty() && k.endpoints.empty()
             ? "all of its role"
             : fmt::format("{}", fmt::join(k.models, " ")) + (k.models.empty() ? "" : " ") +
                   fmt::format("{}", fmt::join(k.endpoints, " ")));
  return 0;
}

}  // namespace

int keys(const KeysOptions& o) {
  serve::KeyStore store(hub::Store().home());
  if (o.action == "add") return add(store, o);
  if (o.action == "list") return list(store, o.json);
  const KeyRecord gone = store.revoke(o.name);
  if (o.json)
    outf("{}\n", dump(to_json(gone)));
  else
    note(fmt::format("{} ({}) is revoked", gone.name, gone.id));
  return 0;
}

}  // namespace uma::cli
