#pragma once
// As many transforms at once as a vector has lanes: one transform a lane, so that every pass of any radix is
// whole vectors.
#include "backend/cpu/fft_plan.h"

namespace uma::cpu {

/// Lanes of the ISA in use, at most kMostLanes.
int64_t fft_lane_count();
constexpr int64_t kMostLanes = 16;

struct FftLanes {
  const FftPlan* plan;  // with passes
  int64_t lanes;        // in use
  // Element j of lane l is at in[in_at[l] + j in_step], in complex numbers; results likewise.
  const std::complex<float>* in;
  const int64_t* in_at;
  int64_t in_step;
  std::complex<float>* out;
  const int64_t* out_at;
  int64_t out_step;
  // The results are multiplied by these: for lane l and element k at k twiddle_step + l.
  const std::complex<float>* twiddles = nullptr;
  int64_t twiddle_step = 0;
  float scale = 1;
  // Real and imaginary parts change places: on both sides that makes the inverse transform.
  bool swap_in = false, swap_out = false;
};

/// Floats that run_lanes works in.
inline int64_t fft_work_size(int64_t n) {
  return 4 * n * kMostLanes;
}
void run_fft_lanes(const FftLanes& job, float* work);

}  // namespace uma::cpu
