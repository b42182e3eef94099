#include "base/error.h"

namespace uma {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid argument";
    case ErrorCode::kIndex:
      return "index";
    case ErrorCode::kShape:
      return "shape";
    case ErrorCode::kDType:
      return "dtype";
    case ErrorCode::kFormat:
      return "format";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kNotFound:
      return "not found";
    case ErrorCode::kLimit:
      return "limit";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kNoKernel:
      return "no kernel";
    case ErrorCode::kDevice:
      return "device";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

Error::Error(ErrorCode code, std::string_view op, std::string_view message)
    : code_(code), op_(op), text_(fmt::format("[{}] {}", op, message)) {}

void throw_error(ErrorCode code, std::string_view op, fmt::string_view format, fmt::format_args args) {
  throw Error(code, op, fmt::vformat(format, args));
}

}  // namespace uma
