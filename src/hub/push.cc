#include "hub/push.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "hub/http_call.h"
#include "hub/names.h"

namespace uma::hub {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kOp[] = "push";
constexpr int kAnswerTimeoutMs = 120'000;  // a model's file is checked before its making is answered

Url address_of(const std::string& to, const std::string& path) {
  check(!to.empty(), ErrorCode::kInvalidArgument, kOp,
        "it takes the address of another uma server: --to, or UMA_PUSH_URL");
  std::string text = to;
  while (text.ends_with('/')) text.pop_back();
  return parse_url(text + path);
}

/// The other server's own sentence.
[[noreturn]] void fail_refused(const Url& url, const HttpAnswer& answer) {
  check(answer.status != 401, ErrorCode::kInvalidArgument, kOp, "{} wants a key: UMA_PUSH_KEY", url.host);
  const Json json = Json::parse(answer.body, nullptr, false);
  std::string why;
  if (json.is_object() && json.contains("error") && json["error"].is_string())
    why = json["error"].get<std::string>();
  fail(ErrorCode::kInvalidArgument, kOp, "{} refuses it with status {}{}{}", url.host, answer.status,
       why.empty() ? "" : ": ", printable(why));
}

class Pusher {
 public:
  Pusher(const ModelRecord& model, const PushOptions& options) : model_(model), options_(options) {
    http_.cancel = options.cancel;
    http_.idle_timeout_ms = kAnswerTimeoutMs;
  }

  /// Returns the bytes that were sent.
  int64_t send_file() const {
    const Url url = address_of(options_.to, "/api/blobs/sha256:" + model_.sha256);
    tell(0);
    const HttpAnswer found = http_call(url, {.method = "HEAD", .bearer = options_.key}, http_);
    if (found.status != 404 && found.status != 200) fail_refused(url, found);
    if (found.status == 404) upload(url);
    tell(model_.bytes);
    return found.status == 404 ? model_.bytes : 0;
  }

  void make_model(const std::string& name) const {
    const Url url = address_of(options_.to, "/api/create");
    Json body = model_.settings.empty() ? Json::object() : Json::parse(model_.settings);
    body["model"] = name;
    body["files"] = {{"model.gguf", "sha256:" + model_.sha256}};
    if (!model_.licence.empty()) body["license"] = model_.licence;
    body["stream"] = false;
    const std::string text = body.dump(-1, ' ', false, Json::error_handler_t::replace);
    size_t at = 0;
    const HttpAnswer answer =
        http_call(url,
                  {.method = "POST",
                   .bearer = options_.key,
                   .type = "application/json",
                   .body_bytes = static_cast<int64_t>(text.size()),
                   .read =
                       [&](std::span<uint8_t> piece) {
                         std::copy_n(text.begin() + static_cast<ptrdiff_t>(at), piece.size(), piece.begin());
                         at += piece.size();
                       }},
                  http_);
    if (answer.status != 200) fail_refused(url, answer);
  }

 private:
  void tell(int64_t done) const {
    if (options_.on_progress) options_.on_progress(model_, done, model_.bytes);
  }

  void upload(const Url& url) const {
    std::ifstream file(model_.path, std::ios::binary);
    check(file.good(), ErrorCode::kIo, kOp, "the file of '{}' cannot be opened", model_.name);
    int64_t done = 0;
    const HttpAnswer answer = http_call(
        url,
        {.method = "POST",
         .bearer = options_.key,
         .type = "application/octet-stream",
         .body_bytes = model_.bytes,
         .read =
             [&](std::span<uint8_t> piece) {
               tell(done);  // what came before is on its way
               file.read(reinterpret_cast<char*>(piece.data()), static_cast<std::streamsize>(piece.size()));
               check(file.gcount() == static_cast<std::streamsize>(piece.size()), ErrorCode::kIo, kOp,
                     "the file of '{}' ended early", model_.name);
               done += static_cast<int64_t>(piece.size());
             }},
        http_);
    if (answer.status != 200 && answer.status != 201) fail_refused(url, answer);
  }

  const ModelRecord& model_;
  const PushOptions& options_;
  HttpOptions http_;
};

}  // namespace

PushResult push(const StoreConfig& store, std::string_view model, const PushOptions& options) {
  check(!options.offline && !offline_by_environment(), ErrorCode::kUnsupported, kOp,
        "offline: nothing is sent");
  PushResult result{.model = Store(store).find(model)};
  check(result.model.present, ErrorCode::kIo, kOp, "the file of '{}' is gone: pull it again",
        result.model.name);
  result.name = options.name.empty() ? result.model.name : options.name;
  check_model_name(result.name);
  check(!find_row(*store.catalogue, result.name), ErrorCode::kInvalidArgument, kOp,
        "'{}' is a catalogue name, which the other server pulls itself: copy it to a name of your own first",
        result.name);
  const Pusher pusher(result.model, options);
  result.uploaded_bytes = pusher.send_file();
  result.already = result.uploaded_bytes == 0;
  if (options.on_sent) options.on_sent();
  pusher.make_model(result.name);
  return result;
}

}  // namespace uma::hub
