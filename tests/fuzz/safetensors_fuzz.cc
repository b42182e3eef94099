// libFuzzer target of the safetensors reader. An input is a file, or, if it begins with '{', an index.
// Whatever the bytes are: tensors that cover the file, each byte once, or one Error tagged "safetensors".
#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "core/kernel.h"
#include "fuzz.h"
#include "io/safetensors.h"
#include "io/safetensors_header.h"

namespace {

void walk(const uma::SafetensorsFile& file) {
  size_t total = 0;
  for (const uma::SafetensorsTensor& tensor : file.tensors()) {
    total += tensor.data.size();
    if (file.find(tensor.name) != &tensor) std::abort();
    try {
      const uma::array a = file.load(tensor.name);
      if (a.nbytes() != static_cast<int64_t>(tensor.data.size()) || a.shape() != tensor.shape) std::abort();
      if (std::count(a.bytes(), a.bytes() + a.nbytes(), 0) < 0) std::abort();  // reads them all
    } catch (const uma::Error& e) {
      expect_sentence(e, "safetensors");
      if (tensor.dtype && *tensor.dtype != uma::DType::bool_) std::abort();
    }
  }
  if (static_cast<int64_t>(total) >= file.bytes()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    if (size > 0 && data[0] == '{') {
      uma::parse_safetensors_index({reinterpret_cast<const char*>(data), size}, "index");
      return 0;
    }
    const MemoryFile file(data, size);
    walk(*uma::SafetensorsFile::open(file.path()));
  } catch (const uma::Error& e) {
    expect_sentence(e, "safetensors");
  }
  return 0;
}
