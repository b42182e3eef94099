#pragma once
// How Highway's per-target copies of a kernel are chosen: by current_isa(), so that UMA_ISA and set_isa
// reach them. Include it after hwy/foreach_target.h.
#include "backend/cpu/simd_targets.h"

#include <hwy/highway.h>

#include "backend/cpu/isa/isa.h"

namespace uma::cpu {

/// Index into a HWY_EXPORT table of the copy that current_isa() asks for.
inline size_t simd_index() {
  const Isa isa = current_isa();
  int64_t targets = 0;
#if HWY_ARCH_X86
  if (isa >= Isa::avx2) targets |= HWY_AVX2;
  if (isa >= Isa::avx512) targets |= HWY_AVX3;
#else
  targets = isa == Isa::generic ? 0 : hwy::SupportedTargets();
#endif
  hwy::ChosenTarget chosen;
  chosen.Update(targets);
  return chosen.GetIndex();
}

/// The copy of a kernel, from its HWY_EXPORT table.
template <class F, size_t N>
F simd_choose(F const (&table)[N]) {
  return N == 1 ? table[0] : table[simd_index()];
}

}  // namespace uma::cpu
