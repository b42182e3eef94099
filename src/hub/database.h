#pragma once
// The table of models in uma.db. A file that does not exist is an empty table; the first change makes it.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3;

namespace uma::hub {

struct ModelRow {
  std::string name, sha256;
  int64_t bytes = 0;
  std::string licence, description, source;
  int64_t added = 0;
  std::string settings = {};  // what whoever made the model set for it: JSON that the hub does not read
};

class Database {
 public:
  enum class Mode { kRead, kWrite };

  /// kRead opens no file that does not exist; kWrite makes it. Throws Io naming the file: locked for longer
  /// than 10 s, no database, damaged, of a newer uma.
  Database(const std::filesystem::path& path, Mode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  std::vector<ModelRow> all() const;
  std::optional<ModelRow> find(std::string_view name) const;
  int64_t count_names_of(std::string_view sha256) const;
  /// Inserts or replaces.
  void put(const ModelRow& row);
  void erase(std::string_view name);

  /// Runs `change` as the only writer: all of it is kept, or none if it throws. Other processes' changes
  /// wait, and so does what `change` does to the files.
  void transaction(const std::function<void()>& change);

 private:
  class Statement;
  void execute(const char* sql) const;
  int64_t version() const;
  void make_schema();
  void upgrade();
  std::string columns() const;
  [[noreturn]] void fail_sql(const char* doing) const;

  std::filesystem::path path_;
  sqlite3* db_ = nullptr;
  int64_t version_ = 0;  // of the schema that was found
};

}  // namespace uma::hub
