#pragma once
// The copies that Highway makes of a kernel; include it before any header of Highway. Three are worth their
// code: f32 kernels gain nothing from AVX3_DL over AVX3, and machines with SSE4 but no AVX2 are gone.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
