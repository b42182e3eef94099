#include "serve/keys.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>

#include "base/error.h"
#include "hub/files.h"
#include "hub/names.h"
#include "serve/json.h"

namespace uma::serve {
namespace {

constexpr size_t kSecretBytes = 32, kHashBytes = 32, kIdLetters = 8, kKeyLetters = 43;  // 43: 256 bits
constexpr size_t kMaxName = 64;
constexpr int kBusyMs = 10000;
constexpr int64_t kDay = 86400;
constexpr std::string_view kPrefix = "uma_";

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS secret(bytes BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS keys("
    " number INTEGER PRIMARY KEY,"
    " id TEXT UNIQUE NOT NULL,"
    " name TEXT UNIQUE NOT NULL,"
    " hash BLOB NOT NULL,"
    " role TEXT NOT NULL,"
    " models TEXT NOT NULL,"  // JSON arrays
    " endpoints TEXT NOT NULL,"
    " created INTEGER NOT NULL,"
    " expires INTEGER NOT NULL,"
    " revoked INTEGER NOT NULL,"
    " requests_per_minute INTEGER NOT NULL,"
    " tokens_per_day INTEGER NOT NULL,"
    " day INTEGER NOT NULL DEFAULT 0,"  // that tokens counts
    " tokens INTEGER NOT NULL DEFAULT 0);"
    "PRAGMA user_version = 1;";
// Columns that came later; stores made before get them when they are opened.
constexpr const char* kLeastPriority =
    "SELECT 1 FROM pragma_table_info('keys') WHERE name = 'least_priority'";
constexpr const char* kAddLeastPriority = "ALTER TABLE keys ADD COLUMN least_priority INTEGER";

constexpr const char* kColumns =
    "SELECT id, name, hash, role, models, endpoints, created, expires, revoked, requests_per_minute, "
    "tokens_per_day, day, tokens, least_priority FROM keys";

std::string random_bytes(size_t n) {
  std::string bytes(n, '\0');
  const int done = ::RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(n));
  uma::check(done == 1, ErrorCode::kInternal, "keys", "the system gives no random numbers");
  return bytes;
}

/// Letters and digits, each as likely as the others.
std::string random_letters(size_t n) {
  static constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string out;
  while (out.size() < n)
    for (const char c : random_bytes(n))
      if (const auto x = static_cast<unsigned char>(c) & 63u; x < kLetters.size() && out.size() < n)
        out += kLetters[x];
  return out;
}

int64_t today() {
  return std::time(nullptr) / kDay;
}

}  // namespace

std::string_view to_string(Role role) {
  return role == Role::admin ? "admin" : role == Role::user ? "user" : "auditor";
}

std::optional<Role> role_of(std::string_view name) {
  for (const Role role : {Role::admin, Role::user, Role::auditor})
    if (to_string(role) == name) return role;
  return {};
}

class KeyStore::Statement {
 public:
  Statement(const KeyStore& store, const std::string& sql) : store_(store) {
    if (sqlite3_prepare_v2(store.db_, sql.c_str(), -1, &statement_, nullptr) != SQLITE_OK) store.fail_sql();
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& text(std::string_view value) {
    sqlite3_bind_text(statement_, ++bound_, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT);
    return *this;
  }
  Statement& blob(std::string_view value) {
    sqlite3_bind_blob(statement_, ++bound_, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT);
    return *this;
  }
  Statement& integer(std::optional<int64_t> value) {
    return value ? integer(*value) : (++bound_, *this);  // what is not bound is NULL
  }
  Statement& integer(int64_t value) {
    sqlite3_bind_int64(statement_, ++bound_, value);
    return *this;
  }
  bool step() {
    const int code = sqlite3_step(statement_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) store_.fail_sql();
    return code == SQLITE_ROW;
  }
  std::string bytes(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    return data ? std::string(data, static_cast<size_t>(sqlite3_column_bytes(statement_, column))) : "";
  }
  int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }
  std::optional<int64_t> number_or_null(int column) const {
    if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return {};
    return number(column);
  }

  KeyRecord record() const {
    const auto role = role_of(bytes(3));
    uma::check(role.has_value(), ErrorCode::kFormat, "keys", "{}: the row of key '{}' is damaged",
               store_.path_.string(), hub::printable(bytes(0)));
    KeyRecord r{.id = bytes(0),
                .name = bytes(1),
                .role = *role,
                .created = number(6),
                .expires = number(7),
                .revoked = number(8),
                .requests_per_minute = number(9),
                .tokens_per_day = number(10),
                .tokens_today = number(11) == today() ? number(12) : 0,
                .least_priority = number_or_null(13)};
    try {
      r.models = Json::parse(bytes(4)).get<std::vector<std::string>>();
      r.endpoints = Json::parse(bytes(5)).get<std::vector<std::string>>();
    } catch (const Json::exception&) {
      uma::fail(ErrorCode::kFormat, "keys", "{}: the row of key '{}' is damaged", store_.path_.string(),
                r.id);
    }
    return r;
  }

 private:
  const KeyStore& store_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

KeyStore::KeyStore(const std::filesystem::path& folder) : path_(folder / "keys.db") {
  hub::make_folders(folder);
  // SQLite would make it readable for others.
  const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  uma::check(fd >= 0, ErrorCode::kIo, "keys", "cannot open {}", path_.string());
  ::close(fd);
  try {
    if (sqlite3_open_v2(path_.c_str(), &db_, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK) fail_sql();
    sqlite3_busy_timeout(db_, kBusyMs);
    execute("BEGIN IMMEDIATE");
    execute(kSchema);
    if (!Statement(*this, kLeastPriority).step()) execute(kAddLeastPriority);
    if (!Statement(*this, "SELECT bytes FROM secret").step())
      Statement(*this, "INSERT INTO secret VALUES (?)").blob(random_bytes(kSecretBytes)).step();
    execute("COMMIT");
    Statement secret(*this, "SELECT bytes FROM secret");
    uma::check(secret.step() && secret.bytes(0).size() == kSecretBytes, ErrorCode::kFormat, "keys",
               "{} is damaged: it has no secret", path_.string());
    secret_ = secret.bytes(0);
  } catch (...) {
    sqlite3_close(db_);
    throw;
  }
}

KeyStore::~KeyStore() {
  sqlite3_close(db_);
  ::OPENSSL_cleanse(secret_.data(), secret_.size());
}

void KeyStore::fail_sql() const {
  const int code = db_ ? sqlite3_errcode(db_) : SQLITE_NOMEM;
  const bool spoiled = code == SQLITE_NOTADB || code == SQLITE_CORRUPT;
  fail(spoiled ? ErrorCode::kFormat : ErrorCode::kIo, "keys", "cannot use {}: {}", path_.string(),
       db_ ? sqlite3_errmsg(db_) : "out of memory");
}

void KeyStore::execute(const char* sql) const {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail_sql();
}

std::string KeyStore::hash(std::string_view key) const {
  const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> mac(EVP_MAC_fetch(nullptr, "BLAKE2BMAC", nullptr),
                                                              &EVP_MAC_free);
  const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(EVP_MAC_CTX_new(mac.get()),
                                                                          &EVP_MAC_CTX_free);
  size_t size = kHashBytes;
  const std::array<OSSL_PARAM, 2> params{OSSL_PARAM_construct_size_t("size", &size),
                                         OSSL_PARAM_construct_end()};
  std::string out(kHashBytes, '\0');
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  };
  const bool good =
      context && EVP_MAC_init(context.get(), bytes(secret_), secret_.size(), params.data()) == 1 &&
      EVP_MAC_update(context.get(), bytes(key), key.size()) == 1 &&
      EVP_MAC_final(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, out.size()) == 1;
  uma::check(good && size == kHashBytes, ErrorCode::kInternal, "keys", "this OpenSSL has no BLAKE2b");
  return out;
}

std::string KeyStore::add(KeyRecord& record) {
  uma::check(
      !record.name.empty() && record.name.size() <= kMaxName && hub::printable(record.name) == record.name,
      ErrorCode::kInvalidArgument, "keys", "a key's name is 1 to {} printable bytes", kMaxName);
  record.id = random_letters(kIdLetters);
  record.created = std::time(nullptr);
  const std::string key = fmt::format("{}{}_{}", kPrefix, record.id, random_letters(kKeyLetters));
  std::lock_guard lock(mutex_);
  Statement taken(*this, "SELECT 1 FROM keys WHERE name = ?");
  uma::check(!taken.text(record.name).step(), ErrorCode::kInvalidArgument, "keys",
             "there is a key '{}' already: choose another name", record.name);
  Statement statement(*this,
                      "INSERT INTO keys(id, name, hash, role, models, endpoints, created, expires, revoked, "
                      "requests_per_minute, tokens_per_day, least_priority) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)");
  statement.text(record.id).text(record.name).blob(hash(key)).text(to_string(record.role));
  statement.text(Json(record.models).dump()).text(Json(record.endpoints).dump());
  statement.integer(record.created).integer(record.expires);
  statement.integer(record.requests_per_minute).integer(record.tokens_per_day);
  statement.integer(record.least_priority).step();
  return key;
}

std::vector<KeyRecord> KeyStore::list() const {
  std::lock_guard lock(mutex_);
  std::vector<KeyRecord> all;
  Statement statement(*this, std::string(kColumns) + " ORDER BY number");
  while (statement.step()) all.push_back(statement.record());
  return all;
}

KeyRecord KeyStore::revoke(std::string_view id_or_name) {
  std::lock_guard lock(mutex_);
  Statement statement(*this, std::string(kColumns) + " WHERE id = ? OR name = ?");
  uma::check(statement.text(id_or_name).text(id_or_name).step(), ErrorCode::kNotFound, "keys",
             "there is no key '{}'; uma keys list shows which there are", hub::printable(id_or_name));
  KeyRecord record = statement.record();
  if (record.revoked == 0) record.revoked = std::time(nullptr);
  Statement(*this, "UPDATE keys SET revoked = ? WHERE id = ?").integer(record.revoked).text(record.id).step();
  return record;
}

std::optional<KeyRecord> KeyStore::check(std::string_view key) const {
  if (key.size() != kPrefix.size() + kIdLetters + 1 + kKeyLetters || !key.starts_with(kPrefix)) return {};
  const std::string actual = hash(key);
  std::lock_guard lock(mutex_);
  Statement statement(*this, std::string(kColumns) + " WHERE id = ?");
  if (!statement.text(key.substr(kPrefix.size(), kIdLetters)).step()) return {};
  const std::string expected = statement.bytes(2);
  if (expected.size() != actual.size() || ::CRYPTO_memcmp(expected.data(), actual.data(), actual.size()) != 0)
    return {};
  KeyRecord record = statement.record();
  return record.is_good(std::time(nullptr)) ? std::optional(std::move(record)) : std::nullopt;
}

void KeyStore::add_tokens(std::string_view id, int64_t tokens) {
  std::lock_guard lock(mutex_);
  Statement statement(*this,
                      "UPDATE keys SET tokens = CASE WHEN day = ?1 THEN tokens ELSE 0 END + ?2, day = ?1 "
                      "WHERE id = ?3");
  statement.integer(today()).integer(tokens).text(id).step();
}

}  // namespace uma::serve
