#include "serve/metrics.h"

#include <unistd.h>

#include <fstream>

namespace uma::serve {
namespace {

void head(std::string& out, const char* name, const char* type, const char* help) {
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void gauge(std::string& out, const char* name, const char* help, int64_t value) {
  head(out, name, "gauge", help);
  out += fmt::format("{} {}\n", name, value);
}

int64_t resident_bytes() {
  int64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

void Histogram::add(double seconds) {
  size_t i = 0;
  while (i < kBounds.size() && seconds > kBounds[i]) ++i;
  std::lock_guard lock(mutex_);
  ++counts_[i];
  sum_ += seconds;
}

void Histogram::print(std::string& out, const char* name, const char* help) const {
  head(out, name, "histogram", help);
  std::lock_guard lock(mutex_);
  uint64_t total = 0;
  for (size_t i = 0; i < kBounds.size(); ++i)
    out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, kBounds[i], total += counts_[i]);
  total += counts_.back();
  out += fmt::format("{}_bucket{{le=\"+Inf\"}} {}\n{}_sum {}\n{}_count {}\n", name, total, name, sum_, name,
                     total);
}

void Metrics::add(const GenerateTimings& t, const std::string& key) {
  if (!key.empty()) {
    std::lock_guard lock(mutex_);
    tokens_[key].first += t.prompt_tokens;
    tokens_[key].second += t.answer_tokens;
  }
  if (t.answer_tokens > 0) first_token_.add(t.queue_s + t.prefill_s);
  if (t.decoded_tokens > 0) next_token_.add(t.decode_s / static_cast<double>(t.decoded_tokens));
}

void Metrics::count_reply(std::string_view route, int status) {
  std::lock_guard lock(mutex_);
  ++replies_[{std::string(route), status}];
}

std::string Metrics::print(const Pool& pool) const {
  std::string out;
  head(out, "uma_http_replies_total", "counter", "Replies by route and status.");
  {
    std::lock_guard lock(mutex_);
    for (const auto& [key, count] : replies_)
      out += fmt::format("uma_http_replies_total{{route=\"{}\",status=\"{}\"}} {}\n", key.first, key.second,
                         count);
  }
  head(out, "uma_key_tokens_total", "counter", "Tokens of each API key, by its id.");
  {
    std::lock_guard lock(mutex_);
    for (const auto& [key, tokens] : tokens_)
      out += fmt::format(
          "uma_key_tokens_total{{key=\"{0}\",kind=\"prompt\"}} {1}\n"
          "uma_key_tokens_total{{key=\"{0}\",kind=\"answer\"}} {2}\n",
          key, tokens.first, tokens.second);
  }
  gauge(out, "uma_http_connections", "Open connections.", connections.load());
  gauge(out, "uma_http_streams", "Answers under way.", streams.load());
  first_token_.print(out, "uma_time_to_first_token_seconds",
                     "From a request's arrival in the queue to its first token.");
  next_token_.print(out, "uma_time_per_token_seconds", "Mean time between an answer's tokens.");
  gauge(out, "process_resident_memory_bytes", "Memory of this process, mapped weights included.",
        resident_bytes());

  struct Row {
    const char *name, *type, *help;
    int64_t SchedulerStats::*field;
  };
  static constexpr Row kRows[] = {
      {"uma_sequences_active", "gauge", "Sequences in the batch.", &SchedulerStats::active},
      {"uma_requests_waiting", "gauge", "Requests in the queue.", &SchedulerStats::waiting},
      {"uma_kv_bytes", "gauge", "Keys and values of active sequences.", &SchedulerStats::kv_bytes},
      {"uma_prefix_cache_bytes", "gauge", "Keys and values kept for prompts to come.",
       &SchedulerStats::prefix_bytes},
      {"uma_prefix_cache_entries", "gauge", "Prompts in the prefix cache.", &SchedulerStats::prefix_entries},
      {"uma_steps_total", "counter", "Forward passes.", &SchedulerStats::steps},
      {"uma_step_rows_total", "counter", "Tokens that went through the model.", &SchedulerStats::step_rows},
      {"uma_prompt_tokens_total", "counter", "Tokens of prompts.", &SchedulerStats::prompt_tokens},
      {"uma_prompt_tokens_cached_total", "counter", "Tokens of prompts found in the prefix cache.",
       &SchedulerStats::reused_tokens},
      {"uma_answer_tokens_total", "counter", "Tokens of answers.", &SchedulerStats::answer_tokens},
      {"uma_requests_finished_total", "counter", "Requests answered.", &SchedulerStats::finished},
      {"uma_requests_cancelled_total", "counter", "Requests whose client went away.",
       &SchedulerStats::cancelled},
      {"uma_requests_failed_total", "counter", "Requests that ended in an error.", &SchedulerStats::failed},
      {"uma_requests_refused_total", "counter", "Requests turned away from a full queue.",
       &SchedulerStats::refused},
      {"uma_preemptions_total", "counter", "Sequences put back for want of memory.",
       &SchedulerStats::preempted},
  };
  const auto models = pool.status();
  for (const Row& row : kRows) {
    head(out, row.name, row.type, row.help);
    // Names of models have no character that would need an escape (hub/names.h).
    for (const Pool::Status& m : models)
      out += fmt::format("{}{{model=\"{}\"}} {}\n", row.name, m.info.name, m.stats.*row.field);
  }
  return out;
}

}  // namespace uma::serve
