#pragma once
// A reply that is still being made when it begins: an answer, a download. What came is kept until it is
// taken.
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "serve/api.h"

namespace uma::serve {

class LiveReply {
 public:
  virtual ~LiveReply() = default;  // stops what is not done

  /// wake is called, on any thread and under a lock, when there is more to take.
  virtual void on_more(std::function<void()> wake) = 0;
  /// Nothing more for now, if false.
  virtual bool has_more() const = 0;

  /// Content type of the stream.
  virtual std::string_view type() const = 0;
  /// Of a stream: the bytes that are ready; `done` with the last of them.
  struct Output {
    std::string bytes;
    bool done = false;
  };
  virtual Output take() = 0;
  /// The reply that is no stream, once it is whole; also a stream's that failed before its first byte.
  virtual std::optional<HttpReply> whole() = 0;

  /// Ends it with this error, as a stream ends.
  virtual void end(Failure failure) = 0;
};

/// Takes a body as it comes, where it may be too large to hold. Called by one thread at a time.
class BodySink {
 public:
  virtual ~BodySink() = default;
  virtual void write(std::string_view bytes) = 0;
  /// The body is whole.
  virtual HttpReply finish() = 0;
};

}  // namespace uma::serve
