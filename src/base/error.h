#pragma once
// One exception for the whole library. The text of an error reads
//   [softmax] axis 3 out of range for an array of 2 dimensions
// : the operation, the rule, the values seen.
#include <fmt/core.h>

#include <exception>
#include <string>
#include <string_view>

namespace uma {

enum class ErrorCode {
  kInvalidArgument,  // a value the caller chose is outside its rule
  kIndex,            // an axis or position outside an array
  kShape,            // shapes do not fit
  kDType,            // a dtype that the operation does not take
  kFormat,           // a file or text is malformed
  kIo,               // the operating system refused: open, read, write, connect
  kNotFound,         // no such model, file, tensor, key
  kLimit,            // a stated bound is passed: context, depth, time, memory
  kUnsupported,      // well-formed, and outside what this build can do
  kNoKernel,         // no kernel for this op, device and dtype, and no fallback
  kDevice,           // the device failed
  kCancelled,        // the user stopped it
  kInternal,         // a bug of ours
};

/// "invalid argument", "shape", ...: the code in words, for logs and JSON.
std::string_view to_string(ErrorCode code);

class Error : public std::exception {
 public:
  /// op: the operation or file kind in lower case ("softmax", "gguf"); message: one sentence, no final dot.
  Error(ErrorCode code, std::string_view op, std::string_view message);

  const char* what() const noexcept override { return text_.c_str(); }
  ErrorCode code() const { return code_; }
  const std::string& op() const { return op_; }
  /// The sentence without its "[op] " tag.
  std::string_view message() const { return std::string_view(text_).substr(op_.size() + 3); }

 private:
  ErrorCode code_;
  std::string op_;
  std::string text_;
};

[[noreturn]] void throw_error(ErrorCode code, std::string_view op, fmt::string_view format,
                              fmt::format_args args);

/// Throws Error with a formatted sentence.
template <class... Args>
[[noreturn]] void fail(ErrorCode code, std::string_view op, fmt::format_string<Args...> format,
                       Args&&... args) {
  throw_error(code, op, format, fmt::make_format_args(args...));
}

/// Throws unless `ok`. The sentence is only formatted on failure.
template <class... Args>
void check(bool ok, ErrorCode code, std::string_view op, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) [[unlikely]]
    throw_error(code, op, format, fmt::make_format_args(args...));
}

}  // namespace uma
