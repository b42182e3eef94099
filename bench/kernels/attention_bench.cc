// Speed of attention and of the small ops beside it, with the share of this machine's f32 peak.
//   uma_attention_bench [--threads N]
// Decode: one query on S keys. Prefill: S queries on S keys, counting the keys that are seen only.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string_view>
#include <vector>

#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/machine.h"
#include "backend/install.h"
#include "base/thread_pool.h"
#include "core/eval.h"
#include "fast/activation.h"
#include "fast/attention.h"
#include "fast/rms_norm.h"
#include "fast/rope.h"
#include "ops/cast.h"

namespace {

using namespace uma;
using Clock = std::chrono::steady_clock;

array random_array(const Shape& shape, DType dtype = DType::float32) {
  std::mt19937 generator(1);
  std::vector<float> values(static_cast<size_t>(num_elements(shape)));
  for (float& x : values) x = static_cast<float>(generator() >> 8) / 8388608.0f - 1.0f;
  array x = astype(array(std::span<const float>(values), shape), dtype);
  x.eval();
  return x;
}

// Seconds of the fastest of many runs: what other programs take away is not the kernel's.
template <class F>
double fastest(F f) {
  double best = 1e9;
  const auto end = Clock::now() + std::chrono::milliseconds(300);
  for (int i = 0; i < 3 || Clock::now() < end; ++i) {
    const auto start = Clock::now();
    f();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

struct Heads {
  const char* model;
  int64_t queries, keys, dim;
};
constexpr Heads kHeads[] = {{"qwen2.5 0.5b", 14, 2, 64},
                            {"gemma3 270m", 4, 1, 256},
                            {"llama3 8b", 32, 8, 128},
                            {"llama2 7b", 32, 32, 128}};

void bench_attention(const Heads& h, int64_t queries, int64_t keys, double peak) {
  const array q = random_array({1, h.queries, queries, h.dim});
  const array k = random_array({1, h.keys, keys, h.dim}, DType::float16), v = k;
  const AttentionOptions options{.scale = 0.125f, .causal = true};
  const double seconds = fastest([&] { scaled_dot_product_attention(q, k, v, options).eval(); });
  const double seen = static_cast<double>(queries) * static_cast<double>(2 * keys - queries + 1) / 2;
  const double gflops = 4 * static_cast<double>(h.queries * h.dim) * seen / seconds * 1e-9;
  const double gigabytes = 4 * static_cast<double>(h.keys * keys * h.dim) / seconds * 1e-9;
  std::printf("%-13s T %5lld S %5lld %10.1f us %7.1f GFLOP/s %4.0f %% of peak", h.model,
              static_cast<long long>(queries), static_cast<long long>(keys), seconds * 1e6, gflops,
              100 * gflops / peak);
  if (queries == 1) std::printf(" %6.1f GB/s of keys and values", gigabytes);
  std::printf("\n");
}

// Nanoseconds of one op, its graph included; many in a row, as in a decode step.
template <class F>
void bench_op(const char* name, F f) {
  constexpr int kTimes = 100;
  const double seconds = fastest([&] {
    for (int i = 0; i < kTimes; ++i) f().eval();
  });
  std::printf("%-28s %9.0f ns\n", name, seconds / kTimes * 1e9);
}

}  // namespace

int main(int argc, char** argv) {
  install_backends();
  for (int i = 1; i + 1 < argc; i += 2)
    if (std::string_view(argv[i]) == "--threads") set_num_threads(std::atoi(argv[i + 1]));
  const double peak = cpu::measure_f32_peak();
  const std::string_view isa = cpu::to_string(cpu::current_isa());
  std::printf("%d threads, %.*s, f32 peak %.0f GFLOP/s\n", num_threads(), static_cast<int>(isa.size()),
              isa.data(), peak);
  for (const Heads& h : kHeads) {
    for (const int64_t s : {16, 128, 512, 4096}) bench_attention(h, 1, s, peak);
    for (const int64_t s : {4, 32}) bench_attention(h, s, 512, peak);
    for (const int64_t s : {128, 512, 2048}) bench_attention(h, s, s, peak);
  }
  const array row = random_array({1, 896}), rows = random_array({512, 896}), weight = random_array({896});
  const array head = random_array({1, 14, 1, 64}), heads = random_array({1, 14, 512, 64});
  const array gate = random_array({1, 4864}), gates = random_array({512, 4864});
  bench_op("rms_norm 1 x 896", [&] { return rms_norm(row, weight, 1e-6f); });
  bench_op("rms_norm 512 x 896", [&] { return rms_norm(rows, weight, 1e-6f); });
  bench_op("rope 14 x 1 x 64", [&] { return rope(head, 64, false, 1e6f, 1, 100); });
  bench_op("rope 14 x 512 x 64", [&] { return rope(heads, 64, false, 1e6f, 1, 100); });
  bench_op("silu_mul 1 x 4864", [&] { return silu_mul(gate, gate); });
  bench_op("silu_mul 512 x 4864", [&] { return silu_mul(gates, gates); });
  bench_op("gelu_tanh_mul 1 x 4864", [&] { return gelu_tanh_mul(gate, gate); });
  return 0;
}
