#pragma once
// The models on this machine: $UMA_HOME/blobs holds files named by their SHA-256, $UMA_HOME/uma.db (SQLite)
// says which names stand for which file. A name appears only when its bytes are whole and their hash is
// right; a process that is killed at any point leaves at most unfinished bytes in $UMA_HOME/partial, which
// the next pull takes up again.
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/catalogue.h"

namespace uma::hub {

struct ModelRecord {
  std::string name;
  std::filesystem::path path;  // of the file; absolute
  std::string sha256;          // lower-case hex
  int64_t bytes = 0;
  std::string licence;        // empty: not known
  std::string description;    // empty: not known
  std::string source;         // where the bytes came from, in words or as an address
  int64_t added = 0;          // seconds since 1970, UTC
  bool present = true;        // false: the file is gone or has another size; `pull` mends it
  std::string settings = {};  // NewModel's
};

struct Progress {
  enum class Stage { kWaiting, kConnecting, kDownloading, kVerifying };
  Stage stage = Stage::kDownloading;
  int64_t done_bytes = 0;
  int64_t total_bytes = 0;  // 0: not known
  std::string_view source;  // "huggingface.co", "Python index, part 2 of 6"
};

struct PullOptions {
  bool offline = false;  // UMA_OFFLINE in the environment sets it too
  std::string name;      // keep the model under this name; empty: the catalogue's, or the file's
  /// Called from pull's thread, at least on every change of stage and about ten times a second.
  std::function<void(const Progress&)> on_progress;
  /// One line for the user, such as that a source failed and the next one is tried.
  std::function<void(std::string_view)> on_note;
  /// Looked at every 100 ms; once true, pull throws Cancelled and what has arrived stays for the next pull.
  const std::atomic<bool>* cancel = nullptr;
};

struct PullResult {
  ModelRecord model;
  bool already = false;          // it was here: nothing was fetched
  int64_t downloaded_bytes = 0;  // over the network by this call
};

/// What `create` makes a model of.
struct NewModel {
  std::string name;
  std::string sha256;  // of a file that is here, by a name or by an Upload
  std::string licence, description, source;
  std::string settings;  // JSON that the hub keeps and does not read
};

/// UMA_OFFLINE forbids to open a socket.
bool offline_by_environment();

struct StoreConfig {
  std::filesystem::path home;  // empty: $UMA_HOME, else ~/.uma
  const Catalogue* catalogue = &builtin_catalogue();
  std::string python = "python3";  // whose `-m pip` fetches wheels
  int connect_timeout_ms = 5000;
  int idle_timeout_ms = 30000;
  int retry_pause_ms = 250;  // after a broken connection; doubles while nothing comes, five times
};

class Store {
 public:
  /// Touches no file: folders are made by the first pull or copy. Throws InvalidArgument if no home folder
  /// can be named (no UMA_HOME, no HOME, no passwd entry).
  explicit Store(StoreConfig config = {});
  ~Store();
  Store(Store&&) noexcept;

  const std::filesystem::path& home() const;
  const Catalogue& catalogue() const;

  /// All names, in order. Throws Io or Format if the database cannot be read.
  std::vector<ModelRecord> list() const;

  /// The model of this name or alias. Throws NotFound with what to type instead; InvalidArgument if it is
  /// no name ([a-z0-9._-]+, maybe with a :tag of the same letters, not starting with '.' or '-').
  ModelRecord find(std::string_view name) const;

  /// What MODEL on a command line means: with a '/' or ending in .gguf it is a path, which must exist (file
  /// or folder); else a name in the store. Throws as find; NotFound for a missing file; Io if a stored
  /// model's file is gone or has another size.
  std::filesystem::path resolve(std::string_view model) const;

  /// Fetches a catalogue name, an http(s) address of a .gguf file, or hf.co/ORG/REPO/FILE.gguf. Sources are
  /// tried in order; what has arrived before is taken up. Two pulls of one model: the second one waits.
  /// Throws NotFound, InvalidArgument (a bad name or address), Io (no source answered, disk full),
  /// Format (bytes with another hash; they are discarded), Unsupported (offline), Cancelled.
  PullResult pull(std::string_view model, const PullOptions& options = {});

  /// Forgets the name; the file goes with its last name. Of a catalogue model that is not here, removes what
  /// an interrupted pull left (`present` is then false). Throws as find; Io while another process fetches it.
  ModelRecord remove(std::string_view name);

  /// A second name for the same file. Throws as find; InvalidArgument if the target is no name, is taken,
  /// or is a catalogue name.
  ModelRecord copy(std::string_view source, std::string_view target);

  /// Makes a model of a file that is here; a model of the user's own under this name gives way. All of it is
  /// there, or nothing has changed. Throws InvalidArgument for a name that is none or the catalogue's;
  /// NotFound if the file is not here; Format and Unsupported if it is no GGUF file.
  ModelRecord create(const NewModel& model);

  /// Whether a file of this hash is here, in use or uploaded.
  bool has_blob(std::string_view sha256) const;

  /// Reads the file again. Returns true if its SHA-256 is the recorded one. Throws as find, Io, Cancelled.
  bool verify(std::string_view name, const std::function<void(const Progress&)>& on_progress = {},
              const std::atomic<bool>* cancel = nullptr) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace uma::hub
