#include <sys/resource.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/interrupt.h"
#include "cli/machine.h"
#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"
#include "engine/bench.h"

namespace uma::cli {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace

int bench(const BenchOptions& o) {
  const std::string path = find_or_pull(o.model, o.offline);
  const auto model = open_model(path, model_options(o.precision));
  InterruptScope interrupt;
  uma::BenchOptions options{.prompt = o.prompt, .gen = o.gen, .depth = o.depth, .batch = o.batch};
  options.cancel = &interrupt.flag();
  ProgressBar bar("bench", "steps");
  const auto steps = static_cast<uint64_t>(o.runs) + 2;  // and the warm-up, and the machine's limits
  bar.update(0, steps);
  // The first run pays for page faults and the thread pool's start; it is not counted.
  uma::BenchOptions warm = options;
  warm.prompt = std::min<int64_t>(o.prompt, 32);
  warm.gen = std::min<int64_t>(o.gen, 4);
  warm.depth = 0;
  uma::bench(*model, warm);
  std::vector<double> prefill, decode;
  uma::BenchResult last;
  for (int64_t i = 0; i < o.runs; ++i) {
    bar.update(static_cast<uint64_t>(i) + 1, steps);
    last = uma::bench(*model, options);
    prefill.push_back(last.prefill_tok_s);
    decode.push_back(last.decode_tok_s);
  }
  const int64_t rss = peak_rss_bytes();  // before the measurements below add their own buffers
  bar.update(steps - 1, steps);
  const MachineLimits limits = measure_limits();
  bar.finish();
  const double prefill_tok_s = median(prefill), decode_tok_s = median(decode);
  const double steps_per_s = decode_tok_s / static_cast<double>(o.batch);
  const double decode_gb_s =
      steps_per_s * (static_cast<double>(last.weight_bytes_per_token) + static_cast<double>(last.kv_bytes)) /
      1e9;
  nlohmann::ordered_json json;
  json["model"] = o.model;
  json["threads"] = num_threads();
  json["isa"] = limits.isa;
  json["prompt"] = o.prompt;
  json["gen"] = o.gen;
  json["depth"] = o.depth;
  json["batch"] = o.batch;
  json["load_s"] = model->load_s;
  json["prefill_tok_s"] = prefill_tok_s;
  json["decode_tok_s"] = decode_tok_s;
  json["peak_rss_bytes"] = rss;
  json["weight_bytes_per_token"] = last.weight_bytes_per_token;
  json["kv_bytes"] = last.kv_bytes;
  json["decode_gb_s"] = decode_gb_s;
  json["read_gb_s"] = limits.read_gb_s;
  json["decode_share_of_read"] = decode_gb_s / limits.read_gb_s;
  json["int8_gop_s"] = limits.int8_gop_s;
  json["f32_gflop_s"] = limits.f32_gflop_s;
  // Two operations a weight and token: a lower bound, attention left out.
  const double weights = static_cast<double>(model->network->weight_count());
  const double prefill_gop_s = 2 * weights * prefill_tok_s / 1e9;
  json["prefill_gop_s"] = prefill_gop_s;
  json["prefill_share_of_int8"] = prefill_gop_s / limits.int8_gop_s;
  if (o.json) {
    outf("{}\n", json.dump());
    return 0;
  }
  outf("{} on {} threads, {}\n", o.model, num_threads(), limits.isa);
  outf("  load      {:>9.3f} s\n", model->load_s);
  outf("  prefill   {:>9.1f} tok/s  {:>7.1f} Gop/s, {:.0f} % of {:.0f} int8\n", prefill_tok_s, prefill_gop_s,
       100 * prefill_gop_s / limits.int8_gop_s, limits.int8_gop_s);
  outf("  decode    {:>9.1f} tok/s  {:>7.1f} GB/s, {:.0f} % of {:.1f} read\n", decode_tok_s, decode_gb_s,
       100 * decode_gb_s / limits.read_gb_s, limits.read_gb_s);
  outf("  memory    {:>9} at most\n", human_bytes(static_cast<uint64_t>(rss)));
  return 0;
}

}  // namespace uma::cli
