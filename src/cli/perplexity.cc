#include "engine/perplexity.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"
#include "io/file_writer.h"
#include "io/npy.h"
#include "text/tokenizer.h"

namespace uma::cli {
namespace {

constexpr int64_t kDefaultWindow = 512;  // tokens; what other programs score with

}  // namespace

int perplexity(const PerplexityOptions& o) {
  InterruptScope interrupt;
  const std::string text = read_file(o.file);
  // Made and dropped: a place that cannot be written is said now, and not when all is scored.
  if (!o.logits_out.empty()) FileWriter{o.logits_out};
  const auto model = open_model(find_or_pull(o.model, o.offline), model_options(o.precision));
  const std::vector<int32_t> tokens =
      model->vocabulary->tokenizer->encode(text, {.add_special = false, .parse_special = false});
  ProgressBar bar("perplexity", "windows");
  const int64_t context = o.ctx > 0 ? o.ctx : std::min(kDefaultWindow, model->config().context_length);
  uma::PerplexityOptions options{.context = context};
  if (!o.logits_out.empty())
    options.on_first_logits = [&](const array& logits) { write_npy(o.logits_out, logits); };
  options.cancel = &interrupt.flag();
  options.on_window = [&](int64_t done, int64_t windows) {
    bar.update(static_cast<uint64_t>(done), static_cast<uint64_t>(windows));
  };
  const uma::PerplexityResult result = uma::perplexity(*model, tokens, options);
  bar.finish();
  if (o.json) {
    const nlohmann::ordered_json json{{"tokens", result.tokens},
                                      {"windows", result.windows},
                                      {"nll", result.nll},
                                      {"perplexity", result.perplexity}};
    outf("{}\n", json.dump());
  } else {
    outf("{} tokens in {} window{} of {}: nll {:.5f}, perplexity {:.4f}\n", result.tokens, result.windows,
         result.windows == 1 ? "" : "s", context, result.nll, result.perplexity);
  }
  return 0;
}

}  // namespace uma::cli
