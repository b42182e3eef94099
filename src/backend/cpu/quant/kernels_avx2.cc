#include "backend/cpu/quant/kernels.h"
namespace uma::cpu {
const Kernels* avx2_kernels() {
  return nullptr;
}
}  // namespace uma::cpu
