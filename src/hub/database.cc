#include "hub/database.h"

#include <sqlite3.h>

#include "base/error.h"
#include "hub/files.h"
#include "hub/names.h"

namespace uma::hub {
namespace {

constexpr int kSchemaVersion = 2;
constexpr int kBusyMs = 10000;  // other writers hold the lock for a rename and an insert only

constexpr const char* kSchema =
    "CREATE TABLE models("
    " name TEXT PRIMARY KEY NOT NULL,"
    " sha256 TEXT NOT NULL,"
    " bytes INTEGER NOT NULL,"
    " licence TEXT NOT NULL,"
    " description TEXT NOT NULL,"
    " source TEXT NOT NULL,"
    " added INTEGER NOT NULL,"  // seconds since 1970
    " settings TEXT NOT NULL DEFAULT ''"
    ") WITHOUT ROWID;"
    "PRAGMA user_version = 2;";

constexpr const char* kUpgrade =
    "ALTER TABLE models ADD COLUMN settings TEXT NOT NULL DEFAULT '';"
    "PRAGMA user_version = 2;";

}  // namespace

class Database::Statement {
 public:
  Statement(const Database& database, const std::string& sql) : database_(database) {
    if (sqlite3_prepare_v2(database.db_, sql.c_str(), -1, &statement_, nullptr) != SQLITE_OK)
      database.fail_sql("read");
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(int index, std::string_view text) {
    sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    return *this;
  }
  Statement& bind(int index, int64_t value) {
    sqlite3_bind_int64(statement_, index, value);
    return *this;
  }
  bool step() {
    const int code = sqlite3_step(statement_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) database_.fail_sql("use");
    return code == SQLITE_ROW;
  }
  std::string text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    const int size = sqlite3_column_bytes(statement_, column);
    return bytes ? std::string(bytes, static_cast<size_t>(size)) : std::string();
  }
  int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }

  /// The row of columns(). What the database says becomes a path, so it is checked like any input.
  ModelRow row() const {
    ModelRow row{text(0), text(1), integer(2), text(3), text(4), text(5), integer(6), text(7)};
    check(is_model_name(row.name) && is_sha256_hex(row.sha256) && row.bytes >= 0, ErrorCode::kFormat,
          "models", "{}: the row of model '{}' is damaged", database_.path_.string(), printable(row.name));
    return row;
  }

 private:
  const Database& database_;
  sqlite3_stmt* statement_ = nullptr;
};

Database::Database(const std::filesystem::path& path, Mode mode) : path_(path) {
  std::error_code ignored;
  if (mode == Mode::kRead && !std::filesystem::exists(path, ignored)) return;
  const int flags = SQLITE_OPEN_READWRITE | (mode == Mode::kWrite ? SQLITE_OPEN_CREATE : 0);
  try {
    if (sqlite3_open_v2(path.c_str(), &db_, flags, nullptr) != SQLITE_OK) fail_sql("open");
    sqlite3_busy_timeout(db_, kBusyMs);
    if (mode == Mode::kWrite && version() == 0) make_schema();
    const int64_t found = version();
    check(found <= kSchemaVersion, ErrorCode::kIo, "models",
          "{} was written by a newer uma (schema {}, this one knows {})", path.string(), found,
          kSchemaVersion);
    version_ = found;
    if (mode == Mode::kWrite && found < kSchemaVersion) upgrade();
    if (found == 0) {  // another process is about to make the schema
      sqlite3_close(db_);
      db_ = nullptr;
    }
  } catch (...) {
    sqlite3_close(db_);
    throw;
  }
}

Database::~Database() {
  sqlite3_close(db_);
}

void Database::fail_sql(const char* doing) const {
  const int code = db_ ? sqlite3_errcode(db_) : SQLITE_NOMEM;
  const std::string sentence =
      fmt::format("cannot {} {}: {}", doing, path_.string(), db_ ? sqlite3_errmsg(db_) : "out of memory");
  throw LocalError(code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? ErrorCode::kFormat : ErrorCode::kIo,
                   "models", sentence);
}

void Database::execute(const char* sql) const {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail_sql("use");
}

int64_t Database::version() const {
  Statement statement(*this, "PRAGMA user_version");
  return statement.step() ? statement.integer(0) : 0;
}

void Database::make_schema() {
  transaction([this] {
    if (version() == 0) execute(kSchema);  // two processes may come here; the second one waits, then sees it
  });
}

/// Who only reads an older file leaves it as it is.
void Database::upgrade() {
  transaction([this] {
    if (version() < kSchemaVersion) execute(kUpgrade);  // unless another process was first
  });
  version_ = kSchemaVersion;
}

std::string Database::columns() const {
  return fmt::format("SELECT name, sha256, bytes, licence, description, source, added, {} FROM models",
                     version_ >= 2 ? "settings" : "''");
}

void Database::transaction(const std::function<void()>& change) {
  execute("BEGIN IMMEDIATE");
  try {
    change();
    execute("COMMIT");
  } catch (...) {
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

std::vector<ModelRow> Database::all() const {
  std::vector<ModelRow> rows;
  if (!db_) return rows;
  Statement statement(*this, columns() + " ORDER BY name");
  while (statement.step()) rows.push_back(statement.row());
  return rows;
}

std::optional<ModelRow> Database::find(std::string_view name) const {
  if (!db_) return std::nullopt;
  Statement statement(*this, columns() + " WHERE name = ?");
  statement.bind(1, name);
  if (!statement.step()) return std::nullopt;
  return statement.row();
}

int64_t Database::count_names_of(std::string_view sha256) const {
  if (!db_) return 0;
  Statement statement(*this, "SELECT count(*) FROM models WHERE sha256 = ?");
  statement.bind(1, sha256);
  return statement.step() ? statement.integer(0) : 0;
}

void Database::put(const ModelRow& row) {
  Statement statement(*this, "INSERT OR REPLACE INTO models VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  statement.bind(1, row.name).bind(2, row.sha256).bind(3, row.bytes).bind(4, row.licence);
  statement.bind(5, row.description).bind(6, row.source).bind(7, row.added).bind(8, row.settings);
  statement.step();
}

void Database::erase(std::string_view name) {
  Statement statement(*this, "DELETE FROM models WHERE name = ?");
  statement.bind(1, name);
  statement.step();
}

}  // namespace uma::hub
