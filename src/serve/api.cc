#include "serve/api.h"

#include <new>

#include "engine/scheduler.h"

namespace uma::serve {

Failure failure_of(const std::exception_ptr& error) {
  Failure f;
  try {
    std::rethrow_exception(error);
  } catch (const ApiError& e) {
    const char* code = e.status() == 404   ? "model_not_found"
                       : e.status() == 401 ? "invalid_api_key"
                       : e.status() == 429 ? "rate_limit_exceeded"
                                           : "";
    f = {e.status(), std::string(e.message()), e.param(), code, e.retry_after()};
  } catch (const BusyError& e) {
    f.status = 503;
    f.message = "server busy, please try again.  maximum pending requests exceeded";
  } catch (const Error& e) {
    switch (e.code()) {
      case ErrorCode::kInvalidArgument:
      case ErrorCode::kLimit:
      case ErrorCode::kUnsupported:
        f.status = 400;
        f.message = e.message();
        if (e.code() == ErrorCode::kLimit && e.op() == "generate") f.code = "context_length_exceeded";
        break;
      default:
        f.detail = e.what();
    }
  } catch (const std::bad_alloc&) {
    f.status = 503;
    f.message = "out of memory";
  } catch (const std::exception& e) {
    f.detail = e.what();
  }
  if (f.message.empty()) f.message = "internal error";
  return f;
}

}  // namespace uma::serve
