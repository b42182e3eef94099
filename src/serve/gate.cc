#include "serve/gate.h"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "base/ascii.h"

namespace uma::serve {
namespace {

constexpr int64_t kDay = 86400;

std::string_view key_of(const HttpRequest& request) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view header = request.header("authorization");
  if (header.size() > kScheme.size() && ascii_lower(header.substr(0, kScheme.size())) == kScheme)
    return header.substr(kScheme.size());
  return request.header("x-api-key");
}

bool role_may(Role role, Access access) {
  switch (access) {
    case Access::open:
    case Access::list:
      return true;
    case Access::ask:
      return role != Role::auditor;
    case Access::watch:
      return role != Role::user;
    case Access::manage:
      break;
  }
  return role == Role::admin;
}

}  // namespace

bool path_matches(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with('*')) return pattern == path;
  pattern.remove_suffix(1);
  return path.size() > pattern.size() && path.starts_with(pattern);
}

void Gate::admit(HttpRequest& request, Access access) {
  if (!keys_ || access == Access::open) return;
  const std::string_view sent = key_of(request);
  if (sent.empty())
    throw ApiError(401,
                   "an API key is needed: send it as \"Authorization: Bearer KEY\" or \"x-api-key: KEY\"");
  auto key = keys_->check(sent);
  if (!key) throw ApiError(401, "the API key is not known, has expired or was revoked");
  if (!role_may(key->role, access))
    throw ApiError(403,
                   fmt::format("a key of the role {} may not use {}", to_string(key->role), request.path));
  const auto in_scope = [&](const std::string& pattern) { return path_matches(pattern, request.path); };
  if (!key->endpoints.empty() && std::none_of(key->endpoints.begin(), key->endpoints.end(), in_scope))
    throw ApiError(403, fmt::format("this key may not use {}", request.path));
  take_request(*key);
  if (access == Access::ask && key->tokens_per_day > 0) {
    std::lock_guard lock(mutex_);
    const auto counted = counted_.find(key->id);
    if (key->tokens_today + (counted == counted_.end() ? 0 : counted->second) >= key->tokens_per_day)
      throw ApiError(429,
                     fmt::format("the {} tokens that this key has a day are used up", key->tokens_per_day),
                     "", kDay - std::time(nullptr) % kDay);
  }
  request.tenant = key->id;
  request.least_priority = key->may_ask_priority();
  request.models = std::move(key->models);
}

void Gate::take_request(const KeyRecord& key) {
  if (key.requests_per_minute == 0) return;
  const auto most = static_cast<double>(key.requests_per_minute);
  std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  const auto [at, fresh] = buckets_.try_emplace(key.id, Bucket{most, now});
  Bucket& bucket = at->second;
  const double passed = std::chrono::duration<double>(now - bucket.at).count();
  bucket = {std::min(most, bucket.left + passed * most / 60), now};
  if (bucket.left < 1)
    throw ApiError(
        429, fmt::format("this key has {} requests a minute, and they are used up", key.requests_per_minute),
        "", static_cast<int64_t>(std::ceil((1 - bucket.left) * 60 / most)));
  bucket.left -= 1;
}

void Gate::add_tokens(const std::string& caller, int64_t tokens) {
  if (!keys_ || caller.empty()) return;
  std::lock_guard lock(mutex_);
  counted_[caller] += tokens;
}

void Gate::flush() {
  if (!keys_) return;
  std::map<std::string, int64_t> counted;
  {
    std::lock_guard lock(mutex_);
    counted.swap(counted_);
  }
  for (const auto& [id, tokens] : counted) keys_->add_tokens(id, tokens);
}

}  // namespace uma::serve
