// Compiled with -mavx512bw and its like (src/CMakeLists.txt); empty elsewhere.
#include "backend/cpu/quant/kernels.h"

#ifdef __AVX512BW__
#include "backend/cpu/quant/kernels512-inl.h"
#include "backend/cpu/quant/table-inl.h"
namespace uma::cpu {
const Kernels* avx512_kernels() {
  return &kTable;
}
}  // namespace uma::cpu
#else
namespace uma::cpu {
const Kernels* avx512_kernels() {
  return nullptr;
}
}  // namespace uma::cpu
#endif
