#pragma once
// Which instructions the kernels of this process use, chosen at run time.
#include <string_view>
#include <vector>

namespace uma::cpu {

/// Each level holds the ones before it.
///   avx2    AVX2, FMA, F16C, BMI2 (Haswell, Zen)
///   avx512  F, BW, DQ, VL (Skylake-X)
///   vnni    AVX512_VNNI and VBMI (Ice Lake, Zen 4)
///   amx     AMX-INT8 and AMX-BF16 (Sapphire Rapids)
enum class Isa { generic, avx2, avx512, vnni, amx };

/// "generic", "avx2", "avx512", "vnni", "amx".
std::string_view to_string(Isa isa);

/// What this machine and its operating system can run, lowest first; never empty.
const std::vector<Isa>& available_isas();

/// The level the kernels use: the best available, or the one that the environment variable UMA_ISA names.
/// Throws InvalidArgument for a name that is unknown or that this machine lacks.
Isa current_isa();

/// Forces a level (tests, `--isa`). Throws InvalidArgument where this machine lacks it.
void set_isa(Isa isa);

/// The level of that name, if this machine has it; else InvalidArgument listing those it has.
Isa isa_from_name(std::string_view name);

}  // namespace uma::cpu
