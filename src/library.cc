// libuma: the C++ API with its backends, which are installed when the library is loaded.
#include "backend/install.h"

namespace {

[[maybe_unused]] const bool kInstalled = (uma::install_backends(), true);

}  // namespace
