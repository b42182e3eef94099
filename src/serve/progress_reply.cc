#include "serve/progress_reply.h"

#include <mutex>

#include "serve/json.h"

namespace uma::serve {
namespace {

/// Shared with the job's thread.
struct State final : ProgressTeller {
  mutable std::mutex mutex;
  std::string pending;  // lines not taken yet
  bool done = false;
  std::optional<Failure> failure;
  std::function<void()> wake;
  std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);

  const std::atomic<bool>* cancel() const override { return cancelled.get(); }
  void tell(const OrderedJson& json) override {
    std::lock_guard lock(mutex);
    pending += dump(json) + "\n";
    if (wake) wake();
  }
  void finish(std::optional<Failure> f) {
    std::lock_guard lock(mutex);
    if (!failure) failure = std::move(f);
    done = true;
    if (wake) wake();
  }
};

class ProgressReply final : public LiveReply {
 public:
  ProgressReply(std::shared_ptr<State> state, bool streamed)
      : state_(std::move(state)), streamed_(streamed) {}
  ~ProgressReply() override {
    *state_->cancelled = true;
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
    *state_->cancelled = true;
    state_->finish(std::move(failure));
  }

 private:
  std::shared_ptr<State> state_;
  bool streamed_, begun_ = false;
};

}  // namespace

std::unique_ptr<LiveReply> progress_reply(Service& service, bool streamed,
                                          std::function<void(ProgressTeller&)> work,
                                          std::function<Failure(const std::exception_ptr&)> word) {
  auto state = std::make_shared<State>();
  auto reply = std::make_unique<ProgressReply>(state, streamed);
  service.jobs.start(state->cancelled, [state, work = std::move(work), word = std::move(word)] {
    try {
      work(*state);
      state->tell({{"status", "success"}});
      state->finish({});
    } catch (...) {
      state->finish(word(std::current_exception()));
    }
  });
  return reply;
}

}  // namespace uma::serve
