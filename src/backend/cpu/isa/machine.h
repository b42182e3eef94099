#pragma once
// What this machine can do at most, measured: the yardstick beside every speed that uma reports.
#include <cstdint>

namespace uma::cpu {

/// Bytes a second that all threads together read from memory (a buffer larger than the caches, static
/// halves), in GB/s (1e9). Takes about 0.3 s and 256 MB.
double measure_read_bandwidth();

/// Multiply-adds counted as two operations, all threads together, from registers, in Gop/s (1e9): int8 by
/// int8 into int32 and f32, with the best instruction of current_isa(). About 0.1 s each.
double measure_int8_peak();
double measure_f32_peak();

/// Reads every byte of [data, data + bytes) with all threads and returns the rate in GB/s: the limit to hold
/// beside a kernel that has to read the same bytes.
double read_rate(const void* data, int64_t bytes);

}  // namespace uma::cpu
