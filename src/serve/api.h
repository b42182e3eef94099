#pragma once
// What the parts of the server say to each other: requests and replies without sockets, and errors with a
// status.
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace uma::serve {

struct HttpRequest {
  std::string method;
  std::string path;  // as it was sent, without the query: compared byte by byte, so tricks lead nowhere
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};  // names in lower case
  // Of whoever asks, set by Gate::admit:
  std::string tenant = {};               // whose requests share turns and cached prompts: those of one key
  std::vector<std::string> models = {};  // that the key may use; empty: all
  int64_t least_priority = INT32_MIN;    // that the key may ask for

  /// The first header of this name, in lower case; "" where there is none.
  std::string_view header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return value;
    return {};
  }
};

struct HttpReply {
  int status = 200;
  std::string body;
  std::string type = "application/json; charset=utf-8";
  std::vector<std::pair<std::string, std::string>> headers = {};
};

/// An error that the client is told as it stands.
class ApiError : public Error {
 public:
  /// param: the field that is to blame, or "". retry_after: seconds after which it may be asked again, or 0.
  ApiError(int status, std::string_view message, std::string_view param = "", int64_t retry_after = 0)
      : Error(ErrorCode::kInvalidArgument, "serve", message),
        status_(status),
        param_(param),
        retry_after_(retry_after) {}
  int64_t retry_after() const { return retry_after_; }
  int status() const { return status_; }
  const std::string& param() const { return param_; }

 private:
  int status_;
  std::string param_;
  int64_t retry_after_;
};

/// An error as every dialect words it in its own way.
struct Failure {
  int status = 500;
  std::string message;
  std::string param;        // "" for none
  std::string code;         // OpenAI's, or "" for none
  int64_t retry_after = 0;  // seconds; 0: nothing is said of it
  std::string detail;       // for the log; what the client must not see (paths) is here only
};

/// What a client is told of an exception: a fault of the request with its sentence, anything else as an
/// internal error.
Failure failure_of(const std::exception_ptr& error);

}  // namespace uma::serve
