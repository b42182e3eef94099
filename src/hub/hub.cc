#include "hub/hub.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <vector>

#include "base/error.h"
#include "hub/fetch.h"
#include "hub/files.h"
#include "hub/names.h"
#include "hub/state.h"

namespace uma::hub {
namespace fs = std::filesystem;
namespace {

fs::path home_folder() {
  if (const char* home = std::getenv("UMA_HOME"); home && *home) return fs::absolute(home);
  if (const char* home = std::getenv("HOME"); home && *home) return fs::absolute(home) / ".uma";
  struct passwd entry {
  }, *found = nullptr;
  std::vector<char> buffer(16384);
  ::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found);
  check(found && found->pw_dir && *found->pw_dir, ErrorCode::kInvalidArgument, "models",
        "no folder for models: set UMA_HOME (HOME is not set, and this user has no home)");
  return fs::absolute(found->pw_dir) / ".uma";
}

}  // namespace

fs::path StoreState::blob(const std::string& sha256) const {
  return blobs() / ("sha256-" + sha256 + ".gguf");  // the suffix tells other programs, and people, what it is
}

bool StoreState::present(const ModelRow& row) const {
  std::error_code error;
  const auto size = fs::file_size(blob(row.sha256), error);
  return !error && static_cast<int64_t>(size) == row.bytes;
}

ModelRecord StoreState::record(const ModelRow& row) const {
  return {row.name,        blob(row.sha256), row.sha256, row.bytes,    row.licence,
          row.description, row.source,       row.added,  present(row), row.settings};
}

std::optional<ModelRow> StoreState::look_up(const Database& db, std::string_view name) const {
  if (auto row = db.find(name)) return row;
  constexpr std::string_view kLatest = ":latest";  // as Ollama's clients spell it
  if (name.ends_with(kLatest))
    if (auto row = db.find(name.substr(0, name.size() - kLatest.size()))) return row;
  const CatalogueRow* known = find_row(*config.catalogue, name);
  return known && known->name != name ? db.find(known->name) : std::nullopt;
}

ModelRow StoreState::require(const Database& db, std::string_view name) const {
  check_model_name(name);
  if (auto row = look_up(db, name)) return *row;
  fail_unknown(db, name);
}

std::optional<ModelRecord> StoreState::remove_unfinished(std::string_view name) const {
  const CatalogueRow* row = find_row(*config.catalogue, name);
  if (!row) return std::nullopt;
  const Database db(database(), Database::Mode::kRead);
  const fs::path folder = partial() / key_of(*row);
  std::error_code error;
  if (db.find(row->name) || !fs::exists(folder, error)) return std::nullopt;
  const FileLock lock(
      folder.string() + ".lock",
      [&] { fail(ErrorCode::kIo, "models", "{} is being fetched by another uma", row->name); }, nullptr);
  fs::remove_all(folder, error);
  check(!error, ErrorCode::kIo, "models", "cannot remove {}: {}", folder.string(), error.message());
  return ModelRecord{
      .name = row->name, .path = folder, .sha256 = row->sha256, .licence = row->licence, .present = false};
}

void StoreState::sweep(Database& db) const {
  // As the only writer: a pull puts its file here and its name there in one such step.
  db.transaction([&] {
    std::set<fs::path> used;
    for (const ModelRow& row : db.all()) used.insert(blob(row.sha256));
    std::error_code error;
    for (fs::directory_iterator it(blobs(), error), end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      const bool ours = name.size() == 76 && name.starts_with("sha256-") && name.ends_with(".gguf");
      std::error_code ignored;
      if (ours && !used.contains(it->path())) fs::remove(it->path(), ignored);
    }
  });
}

void StoreState::fail_unknown(const Database& db, std::string_view name) const {
  if (const CatalogueRow* row = find_row(*config.catalogue, name))
    fail(ErrorCode::kNotFound, "models", "{} is not on this machine yet: uma pull {}", row->name, row->name);
  std::vector<std::string> candidates;
  for (const ModelRow& row : db.all()) candidates.push_back(row.name);
  for (const CatalogueRow& row : *config.catalogue) candidates.push_back(row.name);
  const std::string meant = nearest(name, candidates);
  std::error_code ignored;
  std::string hint =
      meant.empty() ? "uma list --available shows what there is" : "did you mean " + meant + "?";
  if (fs::exists(fs::path(name), ignored))
    hint = fmt::format("for the file of that name here, write ./{}", name);
  fail(ErrorCode::kNotFound, "models", "there is no model '{}'; {}", name, hint);
}

Store::Store(StoreConfig config) : state_(std::make_unique<State>()) {
  if (config.home.empty()) config.home = home_folder();
  config.home = fs::absolute(config.home);
  state_->config = std::move(config);
}
Store::~Store() = default;
Store::Store(Store&&) noexcept = default;

const fs::path& Store::home() const {
  return state_->config.home;
}
const Catalogue& Store::catalogue() const {
  return *state_->config.catalogue;
}

std::vector<ModelRecord> Store::list() const {
  const Database db(state_->database(), Database::Mode::kRead);
  std::vector<ModelRecord> records;
  for (const ModelRow& row : db.all()) records.push_back(state_->record(row));
  return records;
}

ModelRecord Store::find(std::string_view name) const {
  const Database db(state_->database(), Database::Mode::kRead);
  return state_->record(state_->require(db, name));
}

fs::path Store::resolve(std::string_view model) const {
  check(!model.empty() && model.find('\0') == std::string_view::npos, ErrorCode::kInvalidArgument, "models",
        "a model's name or path is empty or holds a zero byte");
  if (is_path(model)) {
    std::error_code error;
    check(!is_address(model), ErrorCode::kInvalidArgument, "models",
          "{} is an address: uma pull it, then use its name", printable(model));
    check(fs::exists(fs::path(model), error), ErrorCode::kNotFound, "models", "there is no file {}",
          printable(model));
    return fs::path(model);
  }
  const ModelRecord record = find(model);
  check(record.present, ErrorCode::kIo, "models",
        "the file of {} is gone or was changed: uma pull {} mends it", record.name, record.name);
  return record.path;
}

ModelRecord Store::remove(std::string_view name) {
  check_model_name(name);
  if (const auto unfinished = state_->remove_unfinished(name)) return *unfinished;
  find(name);  // a name that is not there is told apart before a database is made for it
  Database db(state_->database(), Database::Mode::kWrite);
  ModelRow row;
  db.transaction([&] {
    row = state_->require(db, name);
    db.erase(row.name);
  });
  const ModelRecord record = state_->record(row);
  state_->sweep(db);
  return record;
}

ModelRecord Store::copy(std::string_view source, std::string_view target) {
  check_model_name(target);
  const CatalogueRow* known = find_row(catalogue(), target);
  check(!known, ErrorCode::kInvalidArgument, "models", "'{}' is a name of the catalogue: choose another",
        target);
  find(source);
  Database db(state_->database(), Database::Mode::kWrite);
  ModelRow row;
  db.transaction([&] {
    row = state_->require(db, source);
    check(!db.find(target), ErrorCode::kInvalidArgument, "models",
          "there is a model '{}' already: uma rm {} first, or choose another name", target, target);
    row.name = target;
    db.put(row);
  });
  return state_->record(row);
}

bool Store::verify(std::string_view name, const std::function<void(const Progress&)>& on_progress,
                   const std::atomic<bool>* cancel) const {
  const ModelRecord record = find(name);
  if (!record.present) return false;
  PullOptions options;
  options.on_progress = on_progress;
  Reporter reporter(options);
  reporter.stage(Progress::Stage::kVerifying, record.name, record.bytes);
  return hash_file(
             record.path, [&](int64_t done) { reporter.at(done); }, cancel) == record.sha256;
}

}  // namespace uma::hub
