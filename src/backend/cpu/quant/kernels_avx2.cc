// Compiled with -mavx2 and its like (src/CMakeLists.txt); empty elsewhere.
#include "backend/cpu/quant/kernels.h"

#ifdef __AVX2__
#include "backend/cpu/quant/tile256-inl.h"

#include "backend/cpu/quant/table-inl.h"
namespace uma::cpu {
const Kernels* avx2_kernels() {
  return &kTable;
}
}  // namespace uma::cpu
#else
namespace uma::cpu {
const Kernels* avx2_kernels() {
  return nullptr;
}
}  // namespace uma::cpu
#endif
