#pragma once
// API keys: who may ask, for what, how often. They are kept in $UMA_HOME/keys.db (SQLite, for its owner only)
// and never as they are: of a key there is a BLAKE2b hash, keyed with a secret of this store.
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3;

namespace uma::serve {

enum class Role : uint8_t {
  admin,    // everything
  user,     // asks models, and sees which there are
  auditor,  // sees figures and which models there are, and asks none
};
std::string_view to_string(Role role);
/// none: no role is called so.
std::optional<Role> role_of(std::string_view name);

struct KeyRecord {
  std::string id;    // public: it stands in the key, in lists and in figures
  std::string name;  // for people
  Role role = Role::user;
  std::vector<std::string> models;  // that it may use; empty: all
  std::vector<std::string>
      endpoints;                    // paths, a '*' at the end standing for any rest; empty: all of its role
  int64_t created = 0;              // seconds since 1970
  int64_t expires = 0;              // 0: never
  int64_t revoked = 0;              // when; 0: it was not
  int64_t requests_per_minute = 0;  // 0: no limit
  int64_t tokens_per_day = 0;       // of prompts and answers, by days in UTC; 0: no limit
  int64_t tokens_today = 0;
  std::optional<int64_t> least_priority = {};  // that it may ask for; none: its role's

  /// Users come first only where their key says so.
  int64_t may_ask_priority() const { return least_priority.value_or(role == Role::admin ? INT32_MIN : 0); }
  bool is_good(int64_t now) const { return revoked == 0 && (expires == 0 || now < expires); }
};

class KeyStore {
 public:
  /// folder: UMA_HOME. Opens the database, or makes it with its secret. Throws Io, Format.
  explicit KeyStore(const std::filesystem::path& folder);
  ~KeyStore();
  KeyStore(const KeyStore&) = delete;
  KeyStore& operator=(const KeyStore&) = delete;

  /// Makes a key with the record's rights; id and created are set here. Returns what its holder sends, which
  /// nobody can be told again. Throws InvalidArgument for a name that is empty, over 64 bytes, or taken.
  std::string add(KeyRecord& record);
  /// In the order they were made.
  std::vector<KeyRecord> list() const;
  /// By id or name. Throws NotFound.
  KeyRecord revoke(std::string_view id_or_name);

  /// The record of a key that is good now. Takes as long for one that is nearly right as for any other.
  std::optional<KeyRecord> check(std::string_view key) const;
  /// Counts tokens for today. Throws Io.
  void add_tokens(std::string_view id, int64_t tokens);

 private:
  class Statement;
  std::string hash(std::string_view key) const;
  void execute(const char* sql) const;
  [[noreturn]] void fail_sql() const;

  std::filesystem::path path_;
  sqlite3* db_ = nullptr;
  std::string secret_;
  mutable std::mutex mutex_;  // one user of the connection at a time
};

}  // namespace uma::serve
