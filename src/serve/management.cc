// Ollama's calls that change which models there are. Names and hashes only ever reach the store through its
// own rules for them: nothing a client sends is a path.
#include <fmt/ranges.h>

#include "base/utf8.h"
#include "hub/files.h"
#include "hub/names.h"
#include "hub/upload.h"
#include "serve/http_text.h"
#include "serve/json.h"
#include "serve/ollama_fields.h"
#include "serve/pull_reply.h"
#include "serve/push_reply.h"
#include "serve/service.h"

namespace uma::serve {
namespace {

constexpr std::string_view kBlobs = "/api/blobs/";

/// A name for the store; "name:latest" and "name" are one there.
std::string stored_name(std::string_view name) {
  if (name.ends_with(":latest")) name.remove_suffix(std::string_view(":latest").size());
  if (!hub::is_model_name(name)) throw ApiError(400, "invalid model name", "model");
  return std::string(name);
}

/// The record that a name stands for, if it is in the store.
std::optional<hub::ModelRecord> find_record(const Service& service, std::string_view name) {
  const hub::Store store(service.library.store());
  for (hub::ModelRecord& m : store.list())
    if (with_tag(m.name) == with_tag(name)) return std::move(m);
  return {};
}

/// What the bodies of pull and push say.
struct Transfer {
  std::string model;
  bool streamed;
};

Transfer read_transfer(const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const Fields body(json);
  std::string model = read_model(body);
  body.flag("insecure");
  return {std::move(model), body.flag("stream").value_or(true)};
}

Reply pull(Service& service, const HttpRequest& http) {
  const auto [model, streamed] = read_transfer(http);
  // No other addresses: the server would reach what its client cannot.
  const bool hub_address = model.starts_with("hf.co/") || model.starts_with("huggingface.co/");
  if (!hub_address) {
    const std::string name = stored_name(model);
    if (!hub::find_row(*service.library.store().catalogue, name) && !find_record(service, name))
      throw ApiError(404, fmt::format("pull model manifest: there is no model '{}' in the catalogue", name),
                     "model");
    return pull_reply(service, name, streamed);
  }
  return pull_reply(service, model, streamed);
}

Reply push(Service& service, const HttpRequest& http) {
  const auto [model, streamed] = read_transfer(http);
  // No address in a request: the server would reach what its client cannot.
  if (service.push.url.empty())
    throw ApiError(403, "this server pushes nowhere: start it with --push-to and another server's address");
  const auto record = find_record(service, model);
  if (!record) throw ApiError(404, fmt::format("model '{}' not found", hub::printable(model)), "model");
  return push_reply(service, record->name, streamed);
}

/// "sha256:" and 64 digits. Throws ApiError 400.
std::string read_digest(std::string_view digest) {
  constexpr std::string_view kAlgorithm = "sha256:";
  if (!digest.starts_with(kAlgorithm) || !hub::is_sha256_hex(digest.substr(kAlgorithm.size())))
    throw ApiError(400, "invalid digest format: it is sha256: and 64 hexadecimal digits");
  return std::string(digest.substr(kAlgorithm.size()));
}

/// The only file of "files". Throws ApiError 400.
std::optional<std::string> read_file_digest(const Fields& body) {
  const Json* files = body.find("files");
  if (!files) return {};
  if (!files->is_object()) body.refuse("files", "must map file names to digests");
  if (files->size() != 1) body.refuse("files", "must hold one .gguf file");
  const Json& digest = files->begin().value();
  if (!digest.is_string()) body.refuse("files", "must map file names to digests");
  return read_digest(digest.get<std::string>());
}

void read_settings(const Fields& body, ModelSettings& settings) {
  settings.system = body.text("system").value_or(settings.system);
  settings.template_source = body.text("template").value_or(settings.template_source);
  if (!settings.template_source.empty()) {
    try {
      ChatTemplate::parse(settings.template_source);
    } catch (const Error& e) {
      body.refuse("template", fmt::format("must be a Jinja template, as models bring them: {}", e.message()));
    }
  }
  if (const Json* parameters = body.object("parameters")) {
    GenerateOptions ignored;
    int64_t context = 0;
    read_options(*parameters, ignored, context);
    settings.parameters.update(*parameters);
  }
  const Json* messages = body.array("messages");
  if (!messages) return;
  settings.messages.clear();
  for (const Json& json : *messages) {
    if (!json.is_object()) body.refuse("messages", "must hold objects");
    const Fields m(json);
    const std::string role = m.text("role").value_or("");
    if (role != "user" && role != "assistant" && role != "system")
      throw ApiError(400, fmt::format("role '{}' is not one of system, user, assistant", shown(role)),
                     "messages");
    settings.messages.push_back({role, m.text("content").value_or("")});
  }
}

/// What is said of a step of making a model, and of its end.
HttpReply steps(const std::vector<std::string>& all, bool streamed) {
  if (!streamed) return {.body = dump({{"status", all.back()}})};
  HttpReply reply{.type = "application/x-ndjson"};
  for (const std::string& status : all) reply.body += dump({{"status", status}}) + "\n";
  return reply;
}

Reply create(Service& service, const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const Fields body(json);
  hub::NewModel model;
  const std::string asked = read_model(body);
  model.name = stored_name(asked);
  body.refuse_if_set("modelfile",
                     "\"modelfile\" is not taken: send its fields (from, system, template, ...)");
  body.refuse_if_set("adapters", "adapters are not supported yet");
  body.refuse_if_set("quantize", "quantizing a model that is created is not supported yet");
  if (service.library.is_named(asked))
    throw ApiError(409, fmt::format("'{}' is a file that the server was started with", model.name), "model");
  const std::string from = body.text("from").value_or("");
  const auto digest = read_file_digest(body);
  if (from.empty() == !digest)
    throw ApiError(400,
                   "a model is made of \"from\", the name of another, or of \"files\", and of one of them");
  ModelSettings settings;
  std::vector<std::string> status;
  if (digest) {
    model.sha256 = *digest;
    model.source = "upload";
    status.push_back("parsing GGUF");
  } else {
    const auto base = find_record(service, from);
    if (!base && service.library.is_named(from))
      throw ApiError(
          400, fmt::format("'{}' is a file that the server was started with: upload it first", from), "from");
    if (!base || !base->present)
      throw ApiError(404, fmt::format("model '{}' not found", hub::printable(from)), "from");
    model.sha256 = base->sha256;
    model.source = base->source;
    model.licence = base->licence;
    model.description = base->description;
    settings = ModelSettings::parse(base->settings);
  }
  read_settings(body, settings);
  model.settings = settings.text();
  const std::vector<std::string> licences = body.texts("license", 16);
  if (!licences.empty()) model.licence = fmt::format("{}", fmt::join(licences, "\n"));
  const bool streamed = body.flag("stream").value_or(true);
  hub::Store store(service.library.store());
  if (!store.has_blob(model.sha256))
    throw ApiError(
        400, fmt::format("blob \"sha256:{}\" not found: send it to {} first", model.sha256, kBlobs), "files");
  try {
    store.create(model);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kFormat && e.code() != ErrorCode::kUnsupported) throw;
    throw ApiError(400, "the file is no GGUF file that can be read", "files");  // its sentence has the path
  }
  status.push_back("using existing layer sha256:" + model.sha256);
  status.push_back("writing manifest");
  status.push_back("success");
  return steps(status, streamed);
}

Reply copy(Service& service, const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const Fields body(json);
  const std::string source = body.text("source").value_or(""), target = body.text("destination").value_or("");
  if (source.empty() || target.empty()) throw ApiError(400, "source and destination are required");
  const std::string name = stored_name(target);
  const auto record = find_record(service, source);
  if (!record) throw ApiError(404, fmt::format("model \"{}\" not found", hub::printable(source)), "source");
  if (find_record(service, name) || service.library.is_named(name))
    throw ApiError(409, fmt::format("there is a model \"{}\" already", name), "destination");
  hub::Store(service.library.store()).copy(record->name, name);
  return HttpReply{};
}

Reply remove(Service& service, const HttpRequest& http) {
  const Json json = parse_object(http.body);
  const std::string name = read_model(Fields(json));
  if (service.library.is_named(name))
    throw ApiError(
        409, fmt::format("'{}' is a file that the server was started with: it is not deleted here", name),
        "model");
  const auto record = find_record(service, name);
  if (!record) throw ApiError(404, fmt::format("model '{}' not found", hub::printable(name)), "model");
  if (record->present) service.pool.unload(service.library.find(record->name));
  hub::Store(service.library.store()).remove(record->name);
  return HttpReply{};
}

std::string digest_of(const HttpRequest& http) {
  return read_digest(with_colons(std::string_view(http.path).substr(kBlobs.size())));
}

Reply find_blob(Service& service, const HttpRequest& http) {
  const std::string sha256 = digest_of(http);
  if (!hub::Store(service.library.store()).has_blob(sha256)) throw ApiError(404, "blob not found");
  return HttpReply{};
}

class BlobSink final : public BodySink {
 public:
  BlobSink(Service& service, const std::string& sha256) {
    const hub::StoreConfig& store = service.library.store();
    if (!hub::Store(store).has_blob(sha256)) upload_.emplace(store, sha256);
  }
  void write(std::string_view bytes) override {
    if (upload_) upload_->append({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  }
  HttpReply finish() override {
    if (!upload_) return {};  // it was here
    try {
      upload_->finish();
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kFormat) throw;
      throw ApiError(400, e.message());
    }
    return {.status = 201};
  }

 private:
  std::optional<hub::Upload> upload_;
};

std::unique_ptr<BodySink> receive_blob(Service& service, const HttpRequest& http) {
  return std::make_unique<BlobSink>(service, digest_of(http));
}

constexpr Route kRoutes[] = {
    {"POST", "/api/pull", pull, Access::manage},
    {"POST", "/api/push", push, Access::manage},
    {"POST", "/api/create", create, Access::manage},
    {"POST", "/api/copy", copy, Access::manage},
    {"DELETE", "/api/delete", remove, Access::manage},
    {"GET", "/api/blobs/*", find_blob, Access::manage},
    {"POST", "/api/blobs/*", nullptr, Access::manage, receive_blob},
};

}  // namespace

std::span<const Route> management_routes() {
  return kRoutes;
}

}  // namespace uma::serve
