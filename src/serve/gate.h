#pragma once
// Who may ask for what: keys, their roles, scopes and limits. Without keys everybody may ask for everything.
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "serve/api.h"
#include "serve/keys.h"

namespace uma::serve {

/// What a route is about.
enum class Access : uint8_t {
  open,    // anybody: is the server there
  ask,     // users and admins
  list,    // every role: which models there are
  watch,   // auditors and admins: figures
  manage,  // admins: which models there are to be
};

class Gate {
 public:
  /// keys: nullptr for none.
  explicit Gate(std::unique_ptr<KeyStore> keys) : keys_(std::move(keys)) {}

  /// Finds out who asks (Authorization: Bearer KEY, or x-api-key: KEY) and sets the request's caller.
  /// throws ApiError 401 without a good key, 403 where the key's role or scope has not this, 429 where its
  ///        requests or tokens are used up.
  void admit(HttpRequest& request, Access access);

  /// Counts tokens of a caller; they reach the store with the next flush.
  void add_tokens(const std::string& caller, int64_t tokens);
  /// Writes what was counted. Any thread.
  void flush();

 private:
  using Clock = std::chrono::steady_clock;
  struct Bucket {  // of requests; it fills evenly
    double left = 0;
    Clock::time_point at;
  };
  void take_request(const KeyRecord& key);

  std::unique_ptr<KeyStore> keys_;
  std::mutex mutex_;
  std::map<std::string, Bucket> buckets_;   // by key
  std::map<std::string, int64_t> counted_;  // tokens since the last flush
};

/// Whether a path is what a pattern says: equal, or beginning as it does where it ends in '*'.
bool path_matches(std::string_view pattern, std::string_view path);

}  // namespace uma::serve
