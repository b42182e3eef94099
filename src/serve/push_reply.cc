#include "serve/push_reply.h"

#include "hub/http.h"
#include "hub/push.h"
#include "serve/json.h"
#include "serve/progress_reply.h"

namespace uma::serve {
namespace {

constexpr int64_t kStep = int64_t{1} << 20;  // bytes between two lines

void push(const hub::StoreConfig& config, const std::string& model, const PushTarget& target, bool offline,
          ProgressTeller& lines) {
  lines.tell({{"status", "retrieving manifest"}});
  int64_t told = -1;
  hub::PushOptions options{.to = target.url, .key = target.key, .offline = offline, .cancel = lines.cancel()};
  options.on_progress = [&](const hub::ModelRecord& m, int64_t done, int64_t total) {
    if (told >= 0 && done < total && done - told < kStep) return;
    if (done == told) return;
    told = done;
    OrderedJson line{
        {"status", "pushing " + m.sha256.substr(0, 12)}, {"digest", "sha256:" + m.sha256}, {"total", total}};
    if (done > 0) line["completed"] = done;
    lines.tell(line);
  };
  options.on_sent = [&] { lines.tell({{"status", "pushing manifest"}}); };
  hub::push(config, model, options);
}

/// What the other server says may be told; what is wrong with this machine's files may not.
Failure failure_of_push(const std::exception_ptr& error) {
  Failure failure = failure_of(error);
  try {
    std::rethrow_exception(error);
  } catch (const hub::HttpError& e) {
    failure.status = 502;
    failure.message = fmt::format("push model: {}", e.message());
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kUnsupported) failure.status = 403;  // --offline
    failure.message = fmt::format("push model: {}", failure.status < 500 ? e.message() : "internal error");
  } catch (const std::exception&) {
    failure.message = "push model: internal error";
  }
  return failure;
}

}  // namespace

std::unique_ptr<LiveReply> push_reply(Service& service, const std::string& model, bool streamed) {
  return progress_reply(
      service, streamed,
      [model, config = service.library.store(), target = service.push,
       offline = service.offline](ProgressTeller& lines) { push(config, model, target, offline, lines); },
      failure_of_push);
}

}  // namespace uma::serve
