// How a model comes to this machine: what is asked for, the order of things, and the one step in which its
// file and its name appear.
#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "base/error.h"
#include "hub/fetch.h"
#include "hub/files.h"
#include "hub/names.h"
#include "hub/state.h"
#include "hub/url.h"
#include "io/gguf.h"

namespace uma::hub {
namespace fs = std::filesystem;

std::string key_of(const CatalogueRow& row) {
  return "sha256-" + row.sha256;
}

bool is_address(std::string_view model) {
  return model.find("://") != std::string_view::npos || model.starts_with("hf.co/") ||
         model.starts_with("huggingface.co/");
}

bool offline_by_environment() {
  const char* value = std::getenv("UMA_OFFLINE");
  if (!value) return false;
  const std::string_view text = value;
  return !(text.empty() || text == "0" || text == "false" || text == "no" || text == "off");
}

namespace {

/// What `pull MODEL` asks for.
struct Target {
  std::string name;
  Wanted wanted;
  std::string licence, description;
  std::string source;  // for the record, if it is an address
  std::vector<Source> sources;
  std::string key;            // of its folder in partial
  bool of_catalogue = false;  // its name is the catalogue's
};

/// hf.co/ORG/REPO/FILE -> the address of the file on its main branch.
std::string full_address(std::string_view model) {
  if (model.find("://") != std::string_view::npos) return std::string(model);
  std::vector<std::string> words;
  for (std::string_view rest = model; !rest.empty();) {
    const size_t slash = std::min(rest.find('/'), rest.size());
    words.emplace_back(rest.substr(0, slash));
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
  check(words.size() >= 4 && std::find(words.begin(), words.end(), "") == words.end(),
        ErrorCode::kInvalidArgument, "models", "'{}' is not of the form hf.co/ORG/REPO/FILE.gguf",
        printable(model));
  std::string address = "https://huggingface.co/" + words[1] + "/" + words[2] + "/resolve/main";
  for (size_t i = 3; i < words.size(); ++i) address += "/" + words[i];
  return address;
}

Target address_target(std::string_view model, const std::string& name, const Catalogue& catalogue) {
  const Url url = parse_url(full_address(model));
  Target target;
  target.name = name.empty() ? name_from_address(url.text()) : name;
  check(!target.name.empty(), ErrorCode::kInvalidArgument, "models",
        "'{}' names no file: give the model a name with --name", printable(model));
  check_model_name(target.name);
  check(!find_row(catalogue, target.name), ErrorCode::kInvalidArgument, "models",
        "'{}' is a name of the catalogue: give this file another with --name", target.name);
  target.source = url.text(false);
  target.wanted.label = printable(target.source);
  target.sources.push_back({url.text(), {}});
  target.key = "url-" + sha256_hex(target.source).substr(0, 32);
  return target;
}

Target catalogue_target(const CatalogueRow& row, const std::string& name, const Catalogue& catalogue) {
  Target target;
  target.name = name.empty() ? row.name : name;
  check_model_name(target.name);
  const CatalogueRow* taken = find_row(catalogue, target.name);
  check(!taken || taken == &row, ErrorCode::kInvalidArgument, "models",
        "'{}' is a name of the catalogue for another model", target.name);
  target.of_catalogue = taken != nullptr;
  if (taken) target.name = row.name;
  target.wanted = {row.name, row.sha256, row.bytes};
  target.licence = row.licence;
  target.description = row.description;
  target.sources = row.sources;
  target.key = key_of(row);
  return target;
}

/// Tries the sources in order. Throws what stopped the last one, or all of it in one sentence.
Fetched fetch_from_any(const Target& target, const fs::path& folder, const StoreConfig& config,
                       const PullOptions& options, Reporter& reporter, std::string& source) {
  std::string failures;
  for (size_t i = 0; i < target.sources.size(); ++i) {
    const std::string label = source_label(target.sources[i]);
    try {
      Fetched fetched =
          fetch(target.sources[i], static_cast<int>(i), target.wanted, folder, config, options, reporter);
      source = target.source.empty() ? label : target.source;
      return fetched;
    } catch (const LocalError&) {
      throw;
    } catch (const Error& e) {
      if (e.code() == ErrorCode::kCancelled || target.sources.size() == 1) throw;
      failures += (failures.empty() ? "" : "; ") + std::string(e.message());
      if (i + 1 < target.sources.size())
        reporter.note(fmt::format("{}; trying {}", e.message(), source_label(target.sources[i + 1])));
    }
  }
  fail(ErrorCode::kIo, "models", "{} cannot be had from any of its sources: {}", target.wanted.label,
       failures.empty() ? "it has none" : failures);
}

/// One call of Store::pull whose target is understood.
class Pull {
 public:
  Pull(const Target& target, const StoreState& state, const PullOptions& options)
      : target_(target), state_(state), options_(options), reporter_(options) {}

  PullResult run() {
    if (auto row = already()) return {state_.record(*row), true, 0};
    if (target_.wanted.sha256.empty()) check_online();
    make_folders(state_.partial());
    make_folders(state_.blobs());
    const fs::path folder = state_.partial() / target_.key;
    const FileLock lock(
        folder.string() + ".lock", [this] { tell_wait(); }, options_.cancel);
    if (auto row = already()) return {state_.record(*row), true, 0};  // the one we waited for did it
    if (auto row = adopt()) return {state_.record(*row), true, 0};
    check_online();
    make_folders(folder);
    std::string source;
    const Fetched fetched = fetch_or_leave(folder, source);
    if (target_.wanted.sha256.empty()) check_whole(fetched.path, folder);
    const ModelRow row = row_of(fetched.sha256, fetched.bytes, source);
    publish(row, fetched.path);
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    return {state_.record(row), false, reporter_.downloaded_bytes};
  }

 private:
  /// Without a folder where nothing has come that another pull could go on from.
  Fetched fetch_or_leave(const fs::path& folder, std::string& source) {
    try {
      return fetch_from_any(target_, folder, state_.config, options_, reporter_, source);
    } catch (const Error&) {
      std::error_code not_empty;
      fs::remove(folder, not_empty);
      throw;
    }
  }

  /// The name is there with these bytes. Throws InvalidArgument if it stands for other ones.
  std::optional<ModelRow> already() const {
    const Database db(state_.database(), Database::Mode::kRead);
    auto row = db.find(target_.name);
    if (!row) return std::nullopt;
    check_same(*row);
    return is_wanted(*row) && state_.present(*row) ? row : std::nullopt;
  }

  bool is_wanted(const ModelRow& row) const {
    return target_.wanted.sha256.empty() ? row.source == target_.source : row.sha256 == target_.wanted.sha256;
  }

  /// A catalogue name may move on to a newer file; a name that the user chose is never taken from a model.
  void check_same(const ModelRow& row) const {
    check(is_wanted(row) || target_.of_catalogue, ErrorCode::kInvalidArgument, "models",
          "there is another model '{}' already: uma rm {} first, or choose a name with --name", row.name,
          row.name);
  }

  void check_online() const {
    const bool by_environment = offline_by_environment();
    check(!options_.offline && !by_environment, ErrorCode::kUnsupported, "models",
          "{} is not on this machine, and {} forbids to fetch it", target_.wanted.label,
          by_environment ? "UMA_OFFLINE" : "--offline");
  }

  /// Without a hash to compare, the file itself must say that it is whole: a server may cut it, and may lie.
  void check_whole(const fs::path& file, const fs::path& folder) const {
    try {
      GgufFile::open(file.string());
    } catch (const Error& e) {
      std::string why(e.message());
      if (const std::string path = file.string() + ": "; why.starts_with(path)) why.erase(0, path.size());
      std::error_code ignored;
      fs::remove_all(folder, ignored);  // to go on from these bytes would end here again
      fail(e.code(), "models", "what {} sent is no whole GGUF file: {}", target_.wanted.label, why);
    }
  }

  void tell_wait() {
    reporter_.stage(Progress::Stage::kWaiting, target_.wanted.label, 0);
    reporter_.note(fmt::format("another uma fetches {}: waiting for it", target_.wanted.label));
  }

  ModelRow row_of(const std::string& sha256, int64_t bytes, const std::string& source) const {
    return {target_.name, sha256, bytes, target_.licence, target_.description, source, std::time(nullptr)};
  }

  /// The file may be here under another name, or from a pull that was killed just before it wrote the name.
  std::optional<ModelRow> adopt() {
    if (target_.wanted.sha256.empty()) return std::nullopt;
    const ModelRow row = row_of(target_.wanted.sha256, target_.wanted.bytes, "this machine");
    if (!state_.present(row)) return std::nullopt;
    reporter_.stage(Progress::Stage::kVerifying, target_.name, row.bytes);
    const std::string actual = hash_file(
        state_.blob(row.sha256), [this](int64_t done) { reporter_.at(done); }, options_.cancel);
    if (actual != row.sha256) return std::nullopt;
    bool here = false;
    Database db(state_.database(), Database::Mode::kWrite);
    db.transaction([&] {
      here = state_.present(row);  // rm may have come in between
      if (here) db.put(row);
    });
    return here ? std::optional(row) : std::nullopt;
  }

  void publish(const ModelRow& row, const fs::path& file) const {
    Database db(state_.database(), Database::Mode::kWrite);
    db.transaction([&] {
      if (const auto there = db.find(row.name)) check_same(*there);
      std::error_code error;
      fs::rename(file, state_.blob(row.sha256), error);
      check(!error, ErrorCode::kIo, "models", "cannot move {} to {}: {}", file.string(),
            state_.blob(row.sha256).string(), error.message());
      sync_folder(state_.blobs());
      db.put(row);
    });
    state_.sweep(db);
  }

  const Target& target_;
  const StoreState& state_;
  const PullOptions& options_;
  Reporter reporter_;
};

}  // namespace

PullResult Store::pull(std::string_view model, const PullOptions& options) {
  if (is_address(model)) {
    const Target target = address_target(model, options.name, catalogue());
    return Pull(target, *state_, options).run();
  }
  check_model_name(model);
  const CatalogueRow* row = find_row(catalogue(), model);
  if (!row) {  // a name of the user's own: there is nothing to fetch, and it may be here
    const Database db(state_->database(), Database::Mode::kRead);
    const ModelRow mine = state_->require(db, model);
    check(state_->present(mine), ErrorCode::kNotFound, "models",
          "the file of {} is gone, and it is not in the catalogue; it came from {}", mine.name, mine.source);
    return {state_->record(mine), true, 0};
  }
  const Target target = catalogue_target(*row, options.name, catalogue());
  return Pull(target, *state_, options).run();
}

}  // namespace uma::hub
