// libFuzzer target of NumPy's files. An input is a .npz file, or, if it begins with NumPy's magic byte, a
// .npy file (a zip's checksums keep changed bytes from the reader of its members). Whatever the bytes are:
// arrays whose elements can be read, or one Error.
#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "core/kernel.h"
#include "fuzz.h"
#include "io/npy.h"
#include "io/npz.h"

namespace {

void walk(const uma::array& a) {
  if (a.nbytes() < 0 || std::count(a.bytes(), a.bytes() + a.nbytes(), 0) < 0) std::abort();  // reads them all
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const MemoryFile file(data, size);
    if (size > 0 && data[0] == 0x93) {
      walk(uma::read_npy(file.path()));
    } else {
      for (const auto& [name, a] : uma::read_npz(file.path())) walk(a);
    }
  } catch (const uma::Error& e) {
    expect_sentence(e, "");
  }
  return 0;
}
