#pragma once
// What the parts of the server say to each other: requests and replies without sockets, and errors with a
// status.
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
  /// param: the field that is to blame, or "".
  ApiError(int status, std::string_view message, std::string_view param = "")
      : Error(ErrorCode::kInvalidArgument, "serve", message), status_(status), param_(param) {}
  int status() const { return status_; }
  const std::string& param() const { return param_; }

 private:
  int status_;
  std::string param_;
};

/// An error as every dialect words it in its own way.
struct Failure {
  int status = 500;
  std::string message;
  std::string param;   // "" for none
  std::string code;    // OpenAI's, or "" for none
  std::string detail;  // for the log; what the client must not see (paths) is here only
};

/// What a client is told of an exception: a fault of the request with its sentence, anything else as an
/// internal error.
Failure failure_of(const std::exception_ptr& error);

}  // namespace uma::serve
