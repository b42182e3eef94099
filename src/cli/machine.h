#pragma once
#include <string>

namespace uma::cli {

/// What this machine can do at most, measured now on the threads in use. Takes about a second.
struct MachineLimits {
  std::string isa;
  double read_gb_s = 0;    // memory reads
  double int8_gop_s = 0;   // int8 multiply-adds, two operations each
  double f32_gflop_s = 0;  // f32 multiply-adds
};
MachineLimits measure_limits();

}  // namespace uma::cli
