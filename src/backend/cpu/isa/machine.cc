#include "backend/cpu/isa/machine.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include "backend/cpu/isa/isa.h"
#include "base/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace uma::cpu {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point from) {
  return std::chrono::duration<double>(Clock::now() - from).count();
}

// Runs work() on all threads at once again and again for about 0.1 s after one warm-up; the best rate of
// `amount` a thread and run.
template <class Work>
double best_rate(double amount, const Work& work) {
  const int threads = num_threads();
  double best = 0;
  parallel_for(threads, [&](int64_t thread) { work(thread, threads); });
  const auto start = Clock::now();
  do {
    const auto from = Clock::now();
    parallel_for(threads, [&](int64_t thread) { work(thread, threads); });
    best = std::max(best, amount * threads / seconds(from));
  } while (seconds(start) < 0.1);
  return best * 1e-9;
}

// ---- reading ----

uint64_t sum_words(const uint64_t* p, int64_t words) {
  uint64_t sum[8] = {};
  for (int64_t i = 0; i < words; i += 8)
    for (int j = 0; j < 8; ++j) sum[j] += p[i + j];
  return sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) uint64_t sum_words_avx2(const uint64_t* p, int64_t words) {
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  for (int64_t i = 0; i < words; i += 16) {
    _mm_prefetch(reinterpret_cast<const char*>(p + i + 512), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(p + i + 520), _MM_HINT_T0);
    a = _mm256_add_epi64(a, _mm256_load_si256(reinterpret_cast<const __m256i*>(p + i)));
    b = _mm256_add_epi64(b, _mm256_load_si256(reinterpret_cast<const __m256i*>(p + i + 4)));
    c = _mm256_add_epi64(c, _mm256_load_si256(reinterpret_cast<const __m256i*>(p + i + 8)));
    d = _mm256_add_epi64(d, _mm256_load_si256(reinterpret_cast<const __m256i*>(p + i + 12)));
  }
  const __m256i all = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
  return static_cast<uint64_t>(_mm256_extract_epi64(all, 0) ^ _mm256_extract_epi64(all, 3));
}
#endif

uint64_t read_words(const uint64_t* p, int64_t words) {
#if defined(__x86_64__)
  if (current_isa() >= Isa::avx2) return sum_words_avx2(p, words);
#endif
  return sum_words(p, words);
}

// ---- arithmetic: independent chains in registers, enough to hide the latency. The statement is assembly so
// that the compiler neither merges the chains nor spills them. Each returns its operations. ----

constexpr int kRounds = 200000;

double int8_scalar() {
  uint32_t sum[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (int i = 0; i < kRounds; ++i)
    for (int j = 0; j < 8; ++j) {
      sum[j] = sum[j] * 3 + 1;
      __asm__ volatile("" : "+r"(sum[j]));
    }
  return 2.0 * 8 * kRounds;
}

double f32_scalar() {
  float sum[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (int i = 0; i < kRounds; ++i)
    for (int j = 0; j < 8; ++j) sum[j] = sum[j] * 0.5f + 1.0f;
  float all = 0;
  for (const float v : sum) all += v;
  __asm__ volatile("" : : "r"(&all) : "memory");
  return 2.0 * 8 * kRounds;
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512bw,avx512vnni"))) double int8_vnni() {
  for (int i = 0; i < kRounds; ++i)
    __asm__ volatile(
        "vpdpbusd %%zmm30, %%zmm31, %%zmm0\n vpdpbusd %%zmm30, %%zmm31, %%zmm1\n"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm2\n vpdpbusd %%zmm30, %%zmm31, %%zmm3\n"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm4\n vpdpbusd %%zmm30, %%zmm31, %%zmm5\n"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm6\n vpdpbusd %%zmm30, %%zmm31, %%zmm7\n"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm8\n vpdpbusd %%zmm30, %%zmm31, %%zmm9\n"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm10\n vpdpbusd %%zmm30, %%zmm31, %%zmm11\n" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
              "xmm11");
  return 2.0 * 12 * 64 * kRounds;
}

// Bytes to 16-bit pairs, to 32-bit fours, added: what a product of bytes takes without VNNI.
__attribute__((target("avx512f,avx512bw"))) double int8_avx512() {
  for (int i = 0; i < kRounds; ++i)
    __asm__ volatile(
        "vpmaddubsw %%zmm30, %%zmm31, %%zmm8\n vpmaddubsw %%zmm30, %%zmm31, %%zmm9\n"
        "vpmaddubsw %%zmm30, %%zmm31, %%zmm10\n vpmaddubsw %%zmm30, %%zmm31, %%zmm11\n"
        "vpmaddwd %%zmm30, %%zmm8, %%zmm8\n vpmaddwd %%zmm30, %%zmm9, %%zmm9\n"
        "vpmaddwd %%zmm30, %%zmm10, %%zmm10\n vpmaddwd %%zmm30, %%zmm11, %%zmm11\n"
        "vpaddd %%zmm8, %%zmm0, %%zmm0\n vpaddd %%zmm9, %%zmm1, %%zmm1\n"
        "vpaddd %%zmm10, %%zmm2, %%zmm2\n vpaddd %%zmm11, %%zmm3, %%zmm3\n" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm8", "xmm9", "xmm10", "xmm11");
  return 2.0 * 4 * 64 * kRounds;
}

__attribute__((target("avx2"))) double int8_avx2() {
  for (int i = 0; i < kRounds; ++i)
    __asm__ volatile(
        "vpmaddubsw %%ymm14, %%ymm15, %%ymm8\n vpmaddubsw %%ymm14, %%ymm15, %%ymm9\n"
        "vpmaddubsw %%ymm14, %%ymm15, %%ymm10\n vpmaddubsw %%ymm14, %%ymm15, %%ymm11\n"
        "vpmaddwd %%ymm14, %%ymm8, %%ymm8\n vpmaddwd %%ymm14, %%ymm9, %%ymm9\n"
        "vpmaddwd %%ymm14, %%ymm10, %%ymm10\n vpmaddwd %%ymm14, %%ymm11, %%ymm11\n"
        "vpaddd %%ymm8, %%ymm0, %%ymm0\n vpaddd %%ymm9, %%ymm1, %%ymm1\n"
        "vpaddd %%ymm10, %%ymm2, %%ymm2\n vpaddd %%ymm11, %%ymm3, %%ymm3\n" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm8", "xmm9", "xmm10", "xmm11");
  return 2.0 * 4 * 32 * kRounds;
}

// The registers start from zero: products of denormal numbers would be slow.
__attribute__((target("avx512f"))) double f32_avx512() {
  __asm__ volatile("vzeroall\n vpxord %%zmm30, %%zmm30, %%zmm30\n vpxord %%zmm31, %%zmm31, %%zmm31" ::
                       : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                         "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  for (int i = 0; i < kRounds; ++i)
    __asm__ volatile(
        "vfmadd231ps %%zmm14, %%zmm15, %%zmm0\n vfmadd231ps %%zmm14, %%zmm15, %%zmm1\n"
        "vfmadd231ps %%zmm14, %%zmm15, %%zmm2\n vfmadd231ps %%zmm14, %%zmm15, %%zmm3\n"
        "vfmadd231ps %%zmm14, %%zmm15, %%zmm4\n vfmadd231ps %%zmm14, %%zmm15, %%zmm5\n"
        "vfmadd231ps %%zmm14, %%zmm15, %%zmm6\n vfmadd231ps %%zmm14, %%zmm15, %%zmm7\n"
        "vfmadd231ps %%zmm14, %%zmm15, %%zmm8\n vfmadd231ps %%zmm14, %%zmm15, %%zmm9\n"
        "vfmadd231ps %%zmm14, %%zmm15, %%zmm10\n vfmadd231ps %%zmm14, %%zmm15, %%zmm11\n" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
              "xmm11");
  return 2.0 * 12 * 16 * kRounds;
}

__attribute__((target("avx2,fma"))) double f32_avx2() {
  __asm__ volatile("vzeroall" ::
                       : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                         "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  for (int i = 0; i < kRounds; ++i)
    __asm__ volatile(
        "vfmadd231ps %%ymm14, %%ymm15, %%ymm0\n vfmadd231ps %%ymm14, %%ymm15, %%ymm1\n"
        "vfmadd231ps %%ymm14, %%ymm15, %%ymm2\n vfmadd231ps %%ymm14, %%ymm15, %%ymm3\n"
        "vfmadd231ps %%ymm14, %%ymm15, %%ymm4\n vfmadd231ps %%ymm14, %%ymm15, %%ymm5\n"
        "vfmadd231ps %%ymm14, %%ymm15, %%ymm6\n vfmadd231ps %%ymm14, %%ymm15, %%ymm7\n"
        "vfmadd231ps %%ymm14, %%ymm15, %%ymm8\n vfmadd231ps %%ymm14, %%ymm15, %%ymm9\n"
        "vfmadd231ps %%ymm14, %%ymm15, %%ymm10\n vfmadd231ps %%ymm14, %%ymm15, %%ymm11\n" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
              "xmm11");
  return 2.0 * 12 * 8 * kRounds;
}
#endif

using Burst = double (*)();

Burst int8_burst() {
#if defined(__x86_64__)
  if (current_isa() >= Isa::vnni) return int8_vnni;
  if (current_isa() == Isa::avx512) return int8_avx512;
  if (current_isa() == Isa::avx2) return int8_avx2;
#endif
  return int8_scalar;
}

Burst f32_burst() {
#if defined(__x86_64__)
  if (current_isa() >= Isa::avx512) return f32_avx512;
  if (current_isa() == Isa::avx2) return f32_avx2;
#endif
  return f32_scalar;
}

double peak(Burst burst) {
  const double amount = burst();
  return best_rate(amount, [burst](int64_t, int64_t) { burst(); });
}

}  // namespace

double read_rate(const void* data, int64_t bytes) {
  const auto address = reinterpret_cast<uintptr_t>(data);
  const auto first = (address + 63) & ~uintptr_t{63};
  const int64_t lines = std::max<int64_t>(0, bytes - static_cast<int64_t>(first - address)) / 128 * 2;
  const uint64_t* words = reinterpret_cast<const uint64_t*>(first);
  const int64_t threads = num_threads();
  const auto from = Clock::now();
  parallel_for(threads, [&](int64_t i) {
    const int64_t begin = lines / 2 * i / threads * 2, end = lines / 2 * (i + 1) / threads * 2;
    const uint64_t sum = read_words(words + begin * 8, (end - begin) * 8);
    __asm__ volatile("" : : "r"(sum));
  });
  return static_cast<double>(bytes) / seconds(from) * 1e-9;
}

double measure_read_bandwidth() {
  constexpr int64_t kBytes = int64_t{256} << 20, kAlign = int64_t{2} << 20;
  struct Free {
    void operator()(void* p) const { ::operator delete (p, std::align_val_t{kAlign}); }
  };
  const std::unique_ptr<void, Free> memory(::operator new (kBytes, std::align_val_t{kAlign}));
  parallel_ranges(kBytes, kAlign, [&](int64_t begin, int64_t end) {
    std::memset(static_cast<char*>(memory.get()) + begin, 1, static_cast<size_t>(end - begin));
  });
  double best = 0;
  const auto start = Clock::now();
  do {
    best = std::max(best, read_rate(memory.get(), kBytes));
  } while (seconds(start) < 0.15);
  return best;
}

double measure_int8_peak() {
  return peak(int8_burst());
}
double measure_f32_peak() {
  return peak(f32_burst());
}

}  // namespace uma::cpu
