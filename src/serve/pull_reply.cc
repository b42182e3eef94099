#include "serve/pull_reply.h"

#include <mutex>

#include "hub/files.h"
#include "serve/json.h"

namespace uma::serve {
namespace {

std::string line(const OrderedJson& json) {
  return dump(json) + "\n";
}

/// Shared with the thread that fetches.
struct State {
  mutable std::mutex mutex;
  std::string pending;  // lines not taken yet
  bool done = false;
  std::optional<Failure> failure;
  std::function<void()> wake;
  std::shared_ptr<std::atomic<bool>> cancel = std::make_shared<std::atomic<bool>>(false);

  void tell(const OrderedJson& json) {
    std::lock_guard lock(mutex);
    pending += line(json);
    if (wake) wake();
  }
  void finish(std::optional<Failure> f) {
    std::lock_guard lock(mutex);
    if (!failure) failure = std::move(f);
    done = true;
    if (wake) wake();
  }
};

class PullReply final : public LiveReply {
 public:
  PullReply(std::shared_ptr<State> state, bool streamed) : state_(std::move(state)), streamed_(streamed) {}
  ~PullReply() override {
    *state_->cancel = true;
    std::lock_guard lock(state_->mutex);
    state_->wake = nullptr;
  }
  void on_more(std::function<void()> wake) override {
    std::lock_guard lock(state_->mutex);
    state_->wake = std::move(wake);
  }
  bool has_more() const override {
    std::lock_guard lock(state_->mutex);
    return state_->done || (streamed_ && !state_->pending.empty());
  }
  std::string_view type() const override { return "application/x-ndjson"; }
  Output take() override {
    std::lock_guard lock(state_->mutex);
    begun_ = true;
    Output out{std::exchange(state_->pending, {}), state_->done};
    if (state_->done && state_->failure) out.bytes += ollama_refusal(*state_->failure).body + "\n";
    return out;
  }
  std::optional<HttpReply> whole() override {
    std::lock_guard lock(state_->mutex);
    if (!state_->done) return {};
    if (state_->failure && !begun_) return ollama_refusal(*state_->failure);
    if (streamed_) return {};
    return HttpReply{.body = dump({{"status", "success"}})};
  }
  void end(Failure failure) override {
    *state_->cancel = true;
    state_->finish(std::move(failure));
  }

 private:
  std::shared_ptr<State> state_;
  bool streamed_, begun_ = false;
};

/// Words one step of a download; each stage that has no figures once.
class Teller {
 public:
  Teller(State& state, const std::string& label, const std::string& sha256)
      : state_(state), label_(sha256.empty() ? label : sha256.substr(0, 12)), sha256_(sha256) {}

  void operator()(const hub::Progress& p) {
    using Stage = hub::Progress::Stage;
    if (p.stage != Stage::kDownloading) {
      if (p.stage == Stage::kVerifying && last_ != p.stage)
        state_.tell({{"status", "verifying sha256 digest"}});
    } else if (p.stage != last_ || p.done_bytes != done_) {
      OrderedJson json{{"status", "pulling " + label_}};
      if (!sha256_.empty()) json["digest"] = "sha256:" + sha256_;
      if (p.total_bytes > 0) json["total"] = p.total_bytes;
      if (p.done_bytes > 0) json["completed"] = p.done_bytes;
      state_.tell(json);
      done_ = p.done_bytes;
    }
    last_ = p.stage;
  }

 private:
  State& state_;
  std::string label_, sha256_;
  hub::Progress::Stage last_ = hub::Progress::Stage::kWaiting;
  int64_t done_ = -1;
};

void pull(const hub::StoreConfig& config, const std::string& model, bool offline, State& state) {
  const hub::CatalogueRow* row = hub::find_row(*config.catalogue, model);
  state.tell({{"status", "pulling manifest"}});
  Teller teller(state, model, row ? row->sha256 : "");
  hub::Store(config).pull(
      model, {.offline = offline, .on_progress = std::ref(teller), .cancel = state.cancel.get()});
  state.tell({{"status", "writing manifest"}});
  state.tell({{"status", "success"}});
}

/// Why a source gave nothing may be told; what is wrong on this machine's disk may not.
Failure failure_of_pull(const std::exception_ptr& error) {
  Failure failure = failure_of(error);
  try {
    std::rethrow_exception(error);
  } catch (const hub::LocalError&) {
    failure.message = "pull model: the model cannot be written here";
  } catch (const Error& e) {
    failure.message = fmt::format("pull model: {}", e.message());
  } catch (const std::exception&) {
    failure.message = "pull model: internal error";
  }
  return failure;
}

}  // namespace

std::unique_ptr<LiveReply> pull_reply(Service& service, const std::string& model, bool streamed) {
  auto state = std::make_shared<State>();
  auto reply = std::make_unique<PullReply>(state, streamed);
  service.jobs.start(state->cancel,
                     [state, model, config = service.library.store(), offline = service.offline] {
                       try {
                         pull(config, model, offline, *state);
                         state->finish({});
                       } catch (...) {
                         state->finish(failure_of_pull(std::current_exception()));
                       }
                     });
  return reply;
}

}  // namespace uma::serve
