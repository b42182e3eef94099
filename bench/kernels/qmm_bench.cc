// Speed of the quantized product, beside what the machine can do, measured in the same moment.
//   uma_qmm_bench [FORMAT...] [--k K] [--mb MB] [--m M,M,...] [--exact] [--json]
// For each format and number of rows: GB/s of weights read with its share of the read rate over the same
// bytes (what bounds few rows), and Gop/s with its share of the int8 peak (what bounds many).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/machine.h"
#include "backend/cpu/quant/qmm.h"
#include "base/error.h"
#include "base/half.h"

namespace {

using namespace uma;
using namespace uma::cpu;
using Clock = std::chrono::steady_clock;

struct Options {
  std::vector<std::string> formats;
  int64_t k = 0, mb = 64;
  std::vector<int64_t> rows{1, 2, 4, 8, 16, 64, 512};
  bool exact = false, json = false;
};

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto value = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (arg == "--k")
      o.k = std::atoll(value());
    else if (arg == "--mb")
      o.mb = std::atoll(value());
    else if (arg == "--exact")
      o.exact = true;
    else if (arg == "--json")
      o.json = true;
    else if (arg == "--m") {
      o.rows.clear();
      std::stringstream list(value());
      for (std::string each; std::getline(list, each, ',');) o.rows.push_back(std::atoll(each.c_str()));
    } else
      o.formats.push_back(arg);
  }
  return o;
}

// Random blocks with finite, ordinary scales.
std::vector<uint8_t> random_weights(const QuantTraits& row, int64_t bytes) {
  std::mt19937_64 rng(1);
  std::vector<uint8_t> data(static_cast<size_t>(bytes) + 8);
  for (int64_t i = 0; i < bytes; i += 8) {
    const uint64_t word = rng() & 0xbfffbfffbfffbfffu;  // halves stay finite wherever they lie
    std::memcpy(data.data() + i, &word, 8);
  }
  (void)row;
  return data;
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

void bench(const QuantTraits& row, int64_t m, const Options& o) {
  const int64_t k = o.k ? o.k : row.block == 256 ? 2048 : 896;
  const int64_t per_row = row_bytes(row.format, k);
  // Many rows are bound by arithmetic: fewer weights suffice.
  const int64_t n = std::max<int64_t>(64, (o.mb << 20) / per_row / std::max<int64_t>(1, m / 8) / 32 * 32);
  const auto data = random_weights(row, n * per_row);
  std::vector<float> x(static_cast<size_t>(m * k)), y(static_cast<size_t>(m * n));
  std::mt19937 rng(2);
  std::normal_distribution<float> normal;
  for (float& v : x) v = normal(rng);
  const QuantMatrix w{data.data(), row.format, n, k};
  float* const out[] = {y.data()};
  const int64_t ld[] = {n};

  std::vector<double> gbs, share_read, gops, share_peak;
  double best = 0;
  const auto start = Clock::now();
  for (int i = 0; i < 3 || (i < 40 && std::chrono::duration<double>(Clock::now() - start).count() < 0.8);
       ++i) {
    const double read = read_rate(data.data(), n * per_row);
    const double peak = m >= 16 && i % 4 == 0 ? measure_int8_peak() : 0;
    const auto from = Clock::now();
    quantized_matmul(x.data(), m, k, k, {&w, 1}, out, ld, o.exact);
    const double s = std::chrono::duration<double>(Clock::now() - from).count();
    gbs.push_back(static_cast<double>(n * per_row) / s * 1e-9);
    gops.push_back(2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) / s * 1e-9);
    best = std::max(best, gops.back());
    share_read.push_back(gbs.back() / read);
    if (peak > 0) share_peak.push_back(gops.back() / peak);
  }
  if (o.json) {
    std::printf(
        "{\"format\":\"%s\",\"m\":%lld,\"k\":%lld,\"gb_s\":%.3f,\"share_of_read\":%.3f,\"gop_s\":%.1f",
        row.name.data(), static_cast<long long>(m), static_cast<long long>(k), median(gbs),
        median(share_read), median(gops));
    if (!share_peak.empty()) std::printf(",\"share_of_int8\":%.3f", median(share_peak));
    std::printf("}\n");
    std::fflush(stdout);
    return;
  }
  std::printf("%-5s m %4lld  n %7lld k %5lld  %7.2f GB/s (%.2f of read)  %8.1f Gop/s (best %.1f",
              row.name.data(), static_cast<long long>(m), static_cast<long long>(n),
              static_cast<long long>(k), median(gbs), median(share_read), median(gops), best);
  if (!share_peak.empty()) std::printf(", %.2f of int8 peak", median(share_peak));
  std::printf(")\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const Options o = parse(argc, argv);
  try {
    std::printf(o.json ? "{\"isa\":\"%s\",\"read_gb_s\":%.2f,\"int8_gop_s\":%.0f,\"f32_gflop_s\":%.0f}\n"
                       : "isa %s  read %.1f GB/s  int8 %.0f Gop/s  f32 %.0f Gop/s\n",
                to_string(current_isa()).data(), measure_read_bandwidth(), measure_int8_peak(),
                measure_f32_peak());
    for (const QuantTraits& row : kQuantTraits)
      if (o.formats.empty() || std::find(o.formats.begin(), o.formats.end(), row.name) != o.formats.end())
        for (const int64_t m : o.rows) bench(row, m, o);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
