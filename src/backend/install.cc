#include "backend/install.h"

#include <mutex>

#include "backend/cpu/runtime.h"
#include "backend/null/null.h"

namespace uma {

void install_backends() {
  static std::once_flag once;
  std::call_once(once, [] {
    cpu::install();
    null::install();
  });
}

}  // namespace uma
