#include "serve/pull_reply.h"

#include "hub/files.h"
#include "serve/json.h"
#include "serve/progress_reply.h"

namespace uma::serve {
namespace {

/// Words one step of a download; each stage that has no figures once.
class Teller {
 public:
  Teller(ProgressTeller& lines, const std::string& label, const std::string& sha256)
      : lines_(lines), label_(sha256.empty() ? label : sha256.substr(0, 12)), sha256_(sha256) {}

  void operator()(const hub::Progress& p) {
    using Stage = hub::Progress::Stage;
    if (p.stage != Stage::kDownloading) {
      if (p.stage == Stage::kVerifying && last_ != p.stage)
        lines_.tell({{"status", "verifying sha256 digest"}});
    } else if (p.stage != last_ || p.done_bytes != done_) {
      OrderedJson json{{"status", "pulling " + label_}};
      if (!sha256_.empty()) json["digest"] = "sha256:" + sha256_;
      if (p.total_bytes > 0) json["total"] = p.total_bytes;
      if (p.done_bytes > 0) json["completed"] = p.done_bytes;
      lines_.tell(json);
      done_ = p.done_bytes;
    }
    last_ = p.stage;
  }

 private:
  ProgressTeller& lines_;
  std::string label_, sha256_;
  hub::Progress::Stage last_ = hub::Progress::Stage::kWaiting;
  int64_t done_ = -1;
};

void pull(const hub::StoreConfig& config, const std::string& model, bool offline, ProgressTeller& lines) {
  const hub::CatalogueRow* row = hub::find_row(*config.catalogue, model);
  lines.tell({{"status", "pulling manifest"}});
  Teller teller(lines, model, row ? row->sha256 : "");
  hub::Store(config).pull(model,
                          {.offline = offline, .on_progress = std::ref(teller), .cancel = lines.cancel()});
  lines.tell({{"status", "writing manifest"}});
}

/// Why a source gave nothing may be told; what is wrong on this machine's disk may not.
Failure failure_of_pull(const std::exception_ptr& error) {
  Failure failure = failure_of(error);
  try {
    std::rethrow_exception(error);
  } catch (const hub::LocalError&) {
    failure.message = "pull model: the model cannot be written here";
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kUnsupported) failure.status = 403;  // --offline
    failure.message = fmt::format("pull model: {}", e.message());
  } catch (const std::exception&) {
    failure.message = "pull model: internal error";
  }
  return failure;
}

}  // namespace

std::unique_ptr<LiveReply> pull_reply(Service& service, const std::string& model, bool streamed) {
  return progress_reply(
      service, streamed,
      [model, config = service.library.store(), offline = service.offline](ProgressTeller& lines) {
        pull(config, model, offline, lines);
      },
      failure_of_pull);
}

}  // namespace uma::serve
