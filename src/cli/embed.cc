// embed: texts as vectors.
#include <fmt/ranges.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>

#include "cli/interrupt.h"
#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"
#include "engine/prompt.h"
#include "engine/scheduler.h"

namespace uma::cli {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
    at = end + 1;
  }
  return lines;
}

/// Results as they come from the scheduler's thread.
struct Inbox {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<GenerateResult> results;
  std::exception_ptr error;
  size_t open = 0;
};

/// All of them at once: the scheduler puts what is short together.
std::vector<GenerateResult> embed_all(const std::shared_ptr<const Model>& model,
                                      const std::vector<std::string>& texts, int64_t context) {
  const PromptMaker prompts(model->vocabulary, "", true);
  Inbox inbox;
  inbox.results.resize(texts.size());
  inbox.open = texts.size();
  Scheduler scheduler(model,
                      {.context = context, .queue = static_cast<int64_t>(texts.size()), .prefix_bytes = 0});
  std::vector<Ticket> tickets;
  const InterruptScope interrupt;
  try {
    for (size_t i = 0; i < texts.size(); ++i) {
      ScheduledRequest request;
      request.prompt = prompts.plain(texts[i], false);
      request.embed = true;
      request.on_done = [&inbox, i](GenerateResult result, const std::exception_ptr& error) {
        std::lock_guard lock(inbox.mutex);
        inbox.results[i] = std::move(result);
        if (!inbox.error) inbox.error = error;
        --inbox.open;
        inbox.changed.notify_one();
      };
      tickets.push_back(scheduler.submit(std::move(request)));
    }
  } catch (const Error& e) {
    fail(e.code(), "embed", "text {}: {}", tickets.size() + 1, e.message());
  }
  ProgressBar bar("embedding", "texts");
  std::unique_lock lock(inbox.mutex);
  while (inbox.open > 0 && !inbox.error) {
    bar.update(texts.size() - inbox.open, texts.size());
    inbox.changed.wait_for(lock, std::chrono::milliseconds(100));
    check(!interrupt.flag(), ErrorCode::kCancelled, "embed", "stopped");
  }
  if (inbox.error) std::rethrow_exception(inbox.error);
  return std::move(inbox.results);
}

}  // namespace

int embed(const EmbedOptions& o) {
  const std::vector<std::string> texts = o.texts.empty() ? lines_of(read_stdin()) : o.texts;
  check(!texts.empty(), ErrorCode::kInvalidArgument, "embed", "there is no text: stdin holds no line");
  const auto model = open_model(find_or_pull(o.model, o.offline), {.exact = o.exact});
  const std::vector<GenerateResult> results = embed_all(model, texts, o.ctx);
  if (o.json) {
    Json json{{"model", o.model}, {"embeddings", Json::array()}, {"tokens", Json::array()}};
    for (const GenerateResult& r : results) {
      json["embeddings"].push_back(r.embedding);
      json["tokens"].push_back(r.timings.prompt_tokens);
    }
    outf("{}\n", json.dump());
    return 0;
  }
  for (const GenerateResult& r : results) outf("{}\n", fmt::join(r.embedding, " "));
  return 0;
}

}  // namespace uma::cli
