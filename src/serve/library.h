#pragma once
// The models that may be asked for: those of the store, and files that were named when the server started.
// A request names a model and never a path.
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hub/hub.h"

namespace uma::serve {

struct LocalModel {
  std::string name;  // with its tag, "gemma3:270m", "mine:latest"
  std::string path;
  std::string
      digest;  // 64 hex digits: the file's SHA-256, or of a named file that of its path, size and time
  int64_t bytes = 0;
  int64_t modified = 0;  // seconds since 1970
  std::string family, parameter_size, quantization;
  int64_t context_length = 0, embedding_length = 0;
  std::string settings;  // ModelSettings::text()
  std::string licence;
};

/// The name with its tag, "latest" where it has none.
std::string with_tag(std::string_view name);

class Library {
 public:
  /// named: names and the files that they stand for; they come before the store's. Throws InvalidArgument for
  /// a name that is none, and what opening the file throws.
  Library(hub::StoreConfig store, const std::vector<std::pair<std::string, std::string>>& named);

  /// Newest first. A file that cannot be read is left out.
  std::vector<LocalModel> list() const;
  /// "name" and "name:latest" are one name. Throws ApiError 404 in Ollama's words.
  LocalModel find(std::string_view name) const;
  /// Whether a file was given this name when the server started.
  bool is_named(std::string_view name) const;
  const hub::StoreConfig& store() const { return store_; }

 private:
  struct Entry {
    std::string name, path, sha256, settings, licence;
  };
  std::vector<Entry> entries() const;
  LocalModel describe(const Entry& entry) const;

  hub::StoreConfig store_;
  std::vector<Entry> named_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, LocalModel> described_;  // by path, size and time
};

}  // namespace uma::serve
