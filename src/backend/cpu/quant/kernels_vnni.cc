// Compiled with -mavx512vnni and its like (src/CMakeLists.txt); empty elsewhere.
#include "backend/cpu/quant/kernels.h"

#ifdef __AVX512VNNI__
#include "backend/cpu/quant/kernels512-inl.h"
#include "backend/cpu/quant/table-inl.h"
namespace uma::cpu {
const Kernels* vnni_kernels() {
  return &kTable;
}
}  // namespace uma::cpu
#else
namespace uma::cpu {
const Kernels* vnni_kernels() {
  return nullptr;
}
}  // namespace uma::cpu
#endif
