#include "hub/upload.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>

#include "hub/files.h"
#include "hub/names.h"
#include "hub/state.h"
#include "io/gguf.h"

namespace uma::hub {
namespace fs = std::filesystem;
namespace {

constexpr auto kKeep = std::chrono::hours(24);

void forget_old(const fs::path& folder) {
  std::error_code error;
  const auto now = fs::file_time_type::clock::now();
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    const auto written = fs::last_write_time(it->path(), ignored);
    if (!ignored && now - written > kKeep) fs::remove(it->path(), ignored);
  }
}

}  // namespace

fs::path StoreState::upload(std::string_view sha256) const {
  return uploads() / ("sha256-" + std::string(sha256));
}

struct Upload::State {
  StoreState store;
  std::string sha256;
  fs::path path;
  std::optional<PartFile> file;
  bool done = false;
};

Upload::Upload(const StoreConfig& store, const std::string& sha256) : state_(std::make_unique<State>()) {
  check(is_sha256_hex(sha256), ErrorCode::kInvalidArgument, "models", "'{}' is no SHA-256",
        printable(sha256));
  static std::atomic<uint64_t> count{0};
  state_->store.config = store;
  state_->store.config.home = Store(store).home();
  state_->sha256 = sha256;
  make_folders(state_->store.uploads());
  forget_old(state_->store.uploads());
  state_->path = state_->store.uploads() / fmt::format("{}-{}-{}.part", sha256, ::getpid(), ++count);
  state_->file.emplace(state_->path, 0, OnBytes(), nullptr);
  state_->file->rewind(0);
}

Upload::~Upload() {
  std::error_code ignored;
  if (!state_->done) fs::remove(state_->path, ignored);
}

void Upload::append(std::span<const uint8_t> bytes) {
  state_->file->append(bytes);
}

void Upload::finish() {
  const std::string actual = state_->file->finish();
  check(actual == state_->sha256, ErrorCode::kFormat, "models",
        "digest mismatch, expected \"sha256:{}\", got \"sha256:{}\"", state_->sha256, actual);
  std::error_code error;
  fs::rename(state_->path, state_->store.upload(state_->sha256), error);
  if (error)
    throw LocalError(ErrorCode::kIo, "models",
                     fmt::format("cannot name {}: {}", state_->path.string(), error.message()));
  state_->done = true;
  sync_folder(state_->store.uploads());
}

bool Store::has_blob(std::string_view sha256) const {
  if (!is_sha256_hex(sha256)) return false;
  std::error_code error;
  return fs::is_regular_file(state_->blob(std::string(sha256)), error) ||
         fs::is_regular_file(state_->upload(sha256), error);
}

ModelRecord Store::create(const NewModel& model) {
  check_model_name(model.name);
  check(!find_row(catalogue(), model.name), ErrorCode::kInvalidArgument, "models",
        "'{}' is a name of the catalogue: choose another", model.name);
  check(has_blob(model.sha256), ErrorCode::kNotFound, "models", "there is no file of SHA-256 {} here",
        printable(model.sha256));
  std::error_code error;
  const fs::path blob = state_->blob(model.sha256), upload = state_->upload(model.sha256);
  const bool uploaded = !fs::exists(blob, error);
  GgufFile::open((uploaded ? upload : blob).string());  // throws where it is none
  make_folders(state_->blobs());
  ModelRow row{model.name,         model.sha256,  0, model.licence, model.description, model.source,
               std::time(nullptr), model.settings};
  Database db(state_->database(), Database::Mode::kWrite);
  db.transaction([&] {
    // A file without a name is swept away, so it comes in here, as the only writer.
    std::error_code failure;
    if (!fs::exists(blob, failure)) fs::rename(upload, blob, failure);
    const auto bytes = failure ? 0 : fs::file_size(blob, failure);
    check(!failure, ErrorCode::kNotFound, "models", "the file of SHA-256 {} has gone", model.sha256);
    sync_folder(state_->blobs());
    row.bytes = static_cast<int64_t>(bytes);
    db.put(row);
  });
  state_->sweep(db);
  return state_->record(row);
}

}  // namespace uma::hub
