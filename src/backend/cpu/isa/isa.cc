#include "backend/cpu/isa/isa.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>

#include "base/error.h"

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace uma::cpu {
namespace {

constexpr std::array<std::string_view, 5> kNames{"generic", "avx2", "avx512", "vnni", "amx"};

#if defined(__x86_64__)
// The tile registers are 8 KB that a thread's saved state only holds after the process asked for them.
bool amx_granted() {
#if defined(__linux__)
  constexpr long kRequestFeature = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestFeature, kTileData) == 0;
#else
  return false;
#endif
}

// CPUID leaf 7, EDX: bit 24 AMX-TILE, 25 AMX-INT8, 22 AMX-BF16. g++ 12's builtin does not know these names.
bool cpu_has_amx() {
  uint32_t a = 7, b, c = 0, d;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  constexpr uint32_t kNeeded = 1u << 22 | 1u << 24 | 1u << 25;
  return (d & kNeeded) == kNeeded;
}
#endif

// __builtin_cpu_supports also asks whether the operating system saves the wide registers (XGETBV).
std::vector<Isa> detect() {
  std::vector<Isa> found{Isa::generic};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2"))
    return found;
  // Every processor with AVX2 has F16C; the builtin of g++ 12 cannot ask.
  found.push_back(Isa::avx2);
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
    return found;
  found.push_back(Isa::avx512);
  if (!__builtin_cpu_supports("avx512vnni") || !__builtin_cpu_supports("avx512vbmi")) return found;
  found.push_back(Isa::vnni);
  if (cpu_has_amx() && amx_granted()) found.push_back(Isa::amx);
#endif
  return found;
}

constexpr int kUnset = -1;
std::atomic<int> chosen{kUnset};

}  // namespace

std::string_view to_string(Isa isa) {
  return kNames[static_cast<size_t>(isa)];
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

Isa isa_from_name(std::string_view name) {
  const auto at = std::find(kNames.begin(), kNames.end(), name);
  check(at != kNames.end(), ErrorCode::kInvalidArgument, "isa", "'{}' is no instruction set; known are {}",
        name, fmt::join(kNames, ", "));
  const Isa isa = static_cast<Isa>(at - kNames.begin());
  const auto& has = available_isas();
  if (std::find(has.begin(), has.end(), isa) == has.end()) {
    std::vector<std::string_view> names;
    for (const Isa each : has) names.push_back(to_string(each));
    fail(ErrorCode::kInvalidArgument, "isa", "this machine has no {}; it has {}", name,
         fmt::join(names, ", "));
  }
  return isa;
}

Isa current_isa() {
  int isa = chosen.load(std::memory_order_relaxed);
  if (isa == kUnset) {
    const char* forced = std::getenv("UMA_ISA");
    isa = static_cast<int>(forced && *forced ? isa_from_name(forced) : available_isas().back());
    // Another thread may have chosen meanwhile, by set_isa perhaps: its choice stands.
    int unset = kUnset;
    if (!chosen.compare_exchange_strong(unset, isa)) isa = unset;
  }
  return static_cast<Isa>(isa);
}

void set_isa(Isa isa) {
  chosen = static_cast<int>(isa_from_name(to_string(isa)));
}

}  // namespace uma::cpu
