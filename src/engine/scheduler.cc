#include "engine/scheduler.h"

#include <algorithm>

#include "base/thread.h"
#include "base/thread_pool.h"
#include "engine/batch_step.h"
#include "engine/grammar_worker.h"
#include "engine/prefix_cache.h"
#include "engine/request_queue.h"
#include "engine/sequence.h"
#include "engine/step_plan.h"

namespace uma {
namespace {

constexpr auto kBad = ErrorCode::kInvalidArgument;
// How often deadlines are looked at while nothing can be computed.
constexpr std::chrono::milliseconds kPoll{50};
// A step waits for grammars no longer than this part of what the last one took.
constexpr int kGrammarPart = 4;

}  // namespace

class Scheduler::Impl {
 public:
  Impl(std::shared_ptr<const Model> model, const SchedulerOptions& options);
  ~Impl();
  Ticket submit(ScheduledRequest request);
  SchedulerStats stats() const;

  const std::shared_ptr<const Model> model;
  int64_t context;

 private:
  using Sequences = std::vector<Sequence*>;

  void run();
  bool has_work() const;
  bool has_place() const;
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  std::vector<SequencePtr> take_ended();
  void admit();
  int64_t active_bytes() const;
  void begin(Sequence& s);
  void make_room();
  void step(const Sequences& sequences);
  void pool_states(const Sequences& sequences, std::span<const Chunk> chunks, const array& states);
  void recover(const Sequences& sequences, std::exception_ptr error);
  void draw(const Sequences& sequences, const array& logits);
  void take_token(Sequence& s);
  void settle(Sequence& s);
  void finish(Sequence& s, StopReason reason, std::exception_ptr error = nullptr);
  void forget_finished();
  void publish();

  SchedulerOptions options_;
  // Guarded by wake_->mutex.
  std::shared_ptr<Wake> wake_ = std::make_shared<Wake>();
  RequestQueue waiting_;
  std::vector<SequencePtr> turned_away_;
  SchedulerStats published_;
  int64_t refused_ = 0;
  bool stop_ = false;
  // The thread's own.
  std::vector<SequencePtr> active_;  // in the order they came in
  PrefixCache prefix_;
  SchedulerStats counts_;
  bool full_ = false;  // keys and values were too many: nobody comes in until somebody has gone
  Clock::duration last_step_{};
  GrammarWorker grammars_;
  std::thread thread_;
};

Scheduler::Impl::Impl(std::shared_ptr<const Model> m, const SchedulerOptions& options)
    : model(std::move(m)),
      options_(options),
      prefix_(kPromptChunk, options.prefix_bytes),
      grammars_([wake = wake_] {
        { std::lock_guard lock(wake->mutex); }  // whoever looked before sleeps by now
        wake->changed.notify_one();
      }) {
  check(options.parallel >= 1, kBad, "scheduler", "parallel must be 1 or more, not {}", options.parallel);
  check(options.queue >= 0, kBad, "scheduler", "queue must be 0 or more, not {}", options.queue);
  check(options.step_tokens >= 1, kBad, "scheduler", "step_tokens must be 1 or more, not {}",
        options.step_tokens);
  check(options.kv_bytes >= 0 && options.prefix_bytes >= 0, kBad, "scheduler",
        "kv_bytes and prefix_bytes must be 0 or more");
  context = context_of(model, options.context);
  thread_ = start_thread([this] { run(); });
}

Scheduler::Impl::~Impl() {
  {
    std::lock_guard lock(wake_->mutex);
    stop_ = true;
  }
  wake_->changed.notify_one();
  thread_.join();
}

Ticket Scheduler::Impl::submit(ScheduledRequest request) {
  check(request.on_done != nullptr, kBad, "scheduler", "a request needs on_done");
  check(request.context >= 0, kBad, "scheduler", "a context of {} tokens makes no sense", request.context);
  const int64_t most = request.context > 0 ? std::min(request.context, context) : context;
  auto sequence = std::make_unique<Sequence>(model, std::move(request), most, wake_);
  Ticket ticket(sequence->control);
  const auto grammar = sequence->answer.grammar();
  {
    std::lock_guard lock(wake_->mutex);
    try {
      const int64_t room = options_.queue + options_.parallel - published_.active;
      if (SequencePtr out = waiting_.push(std::move(sequence), room)) {
        ++refused_;
        turned_away_.push_back(std::move(out));
      }
    } catch (const BusyError&) {
      ++refused_;
      throw;
    }
  }
  if (grammar) grammars_.add(grammar);
  wake_->changed.notify_one();
  return ticket;
}

SchedulerStats Scheduler::Impl::stats() const {
  std::lock_guard lock(wake_->mutex);
  SchedulerStats stats = published_;
  stats.waiting = waiting_.size();
  stats.refused = refused_;
  return stats;
}

int64_t Scheduler::Impl::active_bytes() const {
  int64_t bytes = 0;
  for (const SequencePtr& s : active_)
    if (s->cache) bytes += s->cache->nbytes();
  return bytes;
}

void Scheduler::Impl::run() {
  for (;;) {
    std::vector<SequencePtr> ended;
    {
      std::unique_lock lock(wake_->mutex);
      wait_for_work(lock);
      if (stop_) break;
      ended = take_ended();
      admit();
    }
    const auto now = Clock::now();
    for (const SequencePtr& s : ended) finish(*s, s->ended(now).value_or(StopReason::cancelled), s->error);
    for (const SequencePtr& s : active_)
      if (const auto reason = s->ended(now)) finish(*s, *reason);
    for (const SequencePtr& s : active_)
      if (!s->finished && !s->cache) begin(*s);
    grammars_.wait(last_step_ / kGrammarPart);
    for (const SequencePtr& s : active_)
      if (!s->finished && s->drawn && s->answer.grammar()->ready()) settle(*s);
    forget_finished();
    make_room();
    const Sequences sequences = plan_step(active_, options_.step_tokens, counts_.steps + 1);
    if (!sequences.empty()) step(sequences);
    forget_finished();
    publish();
  }
  std::vector<SequencePtr> left = waiting_.take_all();
  for (auto* more : {&turned_away_, &active_})
    for (SequencePtr& s : *more) left.push_back(std::move(s));
  for (const SequencePtr& s : left) finish(*s, StopReason::cancelled, s->error);
}

bool Scheduler::Impl::has_work() const {
  const auto now = Clock::now();
  if (stop_ || !turned_away_.empty()) return true;
  for (const SequencePtr& s : active_)
    if (!s->waits() || s->ended(now)) return true;
  return !waiting_.empty() && (has_place() || waiting_.any_ended(now));
}

bool Scheduler::Impl::has_place() const {
  if (active_.empty()) return true;
  return !full_ && static_cast<int64_t>(active_.size()) < options_.parallel &&
         active_bytes() < options_.kv_bytes;
}

void Scheduler::Impl::wait_for_work(std::unique_lock<std::mutex>& lock) {
  while (!has_work()) {
    if (active_.empty() && waiting_.empty()) {
      wake_->changed.wait(lock);
    } else {
      wake_->changed.wait_for(lock, kPoll);
    }
  }
}

/// Those who wait and need no more.
std::vector<SequencePtr> Scheduler::Impl::take_ended() {
  std::vector<SequencePtr> ended = waiting_.take_ended(Clock::now());
  for (SequencePtr& s : turned_away_) {
    s->error = std::make_exception_ptr(BusyError("others with fewer requests, or more urgent ones, came"));
    ended.push_back(std::move(s));
  }
  turned_away_.clear();
  return ended;
}

void Scheduler::Impl::admit() {
  while (!waiting_.empty() && has_place()) active_.push_back(waiting_.pop());
}

void Scheduler::Impl::begin(Sequence& s) {
  std::exception_ptr failure;
  try {
    PrefixCache::Hit hit;
    if (!s.request.embed) hit = prefix_.find(s.request.tenant, std::span(s.tokens).first(s.prompt_size));
    s.cache = hit.cache ? std::move(hit.cache) : model->network->make_cache();
    s.done = static_cast<size_t>(hit.tokens);
    if (s.begun) return;  // put back, and here again
    s.begun = Clock::now();
    s.answer.timings().queue_s = seconds(s.submitted, *s.begun);
    s.answer.timings().reused_tokens = hit.tokens;
    counts_.prompt_tokens += static_cast<int64_t>(s.prompt_size);
    counts_.reused_tokens += hit.tokens;
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) return;
  s.cache.reset();
  finish(s, StopReason::cancelled, std::move(failure));
}

/// Puts back the least urgent, and of these who came last, while keys and values are too many. What they
/// said stands: they read it again when there is room, in the same pieces, and go on.
void Scheduler::Impl::make_room() {
  int64_t bytes = active_bytes();
  while (bytes > options_.kv_bytes && active_.size() > 1) {
    auto last = active_.begin();
    for (auto s = active_.begin(); s != active_.end(); ++s)
      if ((*s)->request.priority >= (*last)->request.priority) last = s;
    SequencePtr out = std::move(*last);
    active_.erase(last);
    if (out->cache) bytes -= out->cache->nbytes();
    out->lose_cache();
    full_ = true;
    ++counts_.preempted;
    std::lock_guard lock(wake_->mutex);
    waiting_.put_back(std::move(out));
  }
}

void Scheduler::Impl::step(const Sequences& sequences) {
  std::vector<Chunk> chunks;
  bool wanted = false, embeds = false;
  for (Sequence* s : sequences) {
    chunks.push_back({s->next(), s->cache.get()});
    wanted |= s->draws_next();
    embeds |= s->request.embed;
  }
  BatchOutputs out;
  std::exception_ptr failure;
  const auto start = Clock::now();
  try {
    out = run_batch(*model->network, chunks, wanted, embeds);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) return recover(sequences, std::move(failure));
  ++counts_.steps;
  for (size_t i = 0; i < sequences.size(); ++i) {
    Sequence& s = *sequences[i];
    if (!s.reading()) ++s.answer.timings().decoded_tokens;
    s.done += chunks[i].tokens.size();
    counts_.step_rows += static_cast<int64_t>(chunks[i].tokens.size());
    if (s.done == s.tokens.size()) s.suspect = false;
  }
  if (out.states) pool_states(sequences, chunks, *out.states);
  if (out.logits) draw(sequences, *out.logits);
  last_step_ = Clock::now() - start;
}

void Scheduler::Impl::pool_states(const Sequences& sequences, std::span<const Chunk> chunks,
                                  const array& states) {
  const int64_t width = states.shape(1);
  const float* rows = states.data<float>();
  for (size_t i = 0; i < sequences.size(); ++i) {
    Sequence& s = *sequences[i];
    const auto count = static_cast<int64_t>(chunks[i].tokens.size());
    if (s.request.embed) {
      s.pool.add(rows, count, width);
      s.answer.timings().prefill_s = seconds_since(*s.begun);
      if (!s.reading()) finish(s, StopReason::eos);
    }
    rows += count * width;
  }
}

/// A step failed, and some layers may hold its tokens and others not. One sequence: the error is its own.
/// Several: each starts over alone, so that nobody pays for another's error with more than time.
void Scheduler::Impl::recover(const Sequences& sequences, std::exception_ptr error) {
  for (Sequence* s : sequences) {
    s->lose_cache();
    s->suspect = true;
  }
  if (sequences.size() == 1) finish(*sequences[0], StopReason::cancelled, std::move(error));
}

void Scheduler::Impl::draw(const Sequences& sequences, const array& logits) {
  const auto vocab = static_cast<size_t>(logits.shape(1));
  std::vector<std::pair<Sequence*, const float*>> ready;
  for (size_t i = 0; i < sequences.size(); ++i)
    if (!sequences[i]->request.embed && sequences[i]->done == sequences[i]->tokens.size())
      ready.emplace_back(sequences[i], logits.data<float>() + i * vocab);
  parallel_for(static_cast<int64_t>(ready.size()), [&](int64_t i) {
    const auto& [s, row] = ready[static_cast<size_t>(i)];
    try {
      s->drawn = s->answer.sample({row, vocab});
    } catch (...) {
      s->error = std::current_exception();
    }
  });
  for (const auto& [s, row] : ready) take_token(*s);
}

void Scheduler::Impl::take_token(Sequence& s) {
  if (!s.first_token) {
    s.first_token = Clock::now();
    s.answer.timings().prefill_s = seconds(*s.begun, *s.first_token);
  }
  std::optional<StopReason> reason;
  std::exception_ptr failure = std::move(s.error);
  try {
    if (!failure) reason = s.answer.accept(*s.drawn);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) return finish(s, StopReason::cancelled, std::move(failure));
  if (reason) return finish(s, *reason);
  if (s.answer.grammar()) return grammars_.add(s.answer.grammar());
  settle(s);
}

void Scheduler::Impl::settle(Sequence& s) {
  if (const auto reason = s.answer.settle()) return finish(s, *reason);
  s.tokens.push_back(*s.drawn);
  s.drawn.reset();
  ++counts_.answer_tokens;
}

/// An error goes to whoever asked, and nothing of it stays with this thread.
void Scheduler::Impl::finish(Sequence& s, StopReason reason, std::exception_ptr error) {
  s.finished = true;
  full_ = false;
  if (s.first_token) s.answer.timings().decode_s = seconds(*s.first_token, Clock::now());
  GenerateResult result;
  try {
    if (s.cache && !s.request.embed) {
      const std::span<const int32_t> read = std::span(s.tokens).first(std::min(s.done, s.prompt_size));
      prefix_.keep(s.request.tenant, read, std::move(s.cache));
    }
    result = s.answer.finish(reason);
    if (s.request.embed && reason == StopReason::eos) result.embedding = s.pool.normalised();
  } catch (...) {
    if (!error) error = std::current_exception();
  }
  ++(error ? counts_.failed : reason == StopReason::cancelled ? counts_.cancelled : counts_.finished);
  s.request.on_done(std::move(result), std::move(error));
}

void Scheduler::Impl::forget_finished() {
  std::erase_if(active_, [](const SequencePtr& s) { return s->finished; });
}

void Scheduler::Impl::publish() {
  counts_.active = static_cast<int64_t>(active_.size());
  counts_.kv_bytes = active_bytes();
  counts_.prefix_bytes = prefix_.bytes();
  counts_.prefix_entries = prefix_.entries();
  std::lock_guard lock(wake_->mutex);
  published_ = counts_;
}

Scheduler::Scheduler(std::shared_ptr<const Model> model, const SchedulerOptions& options)
    : impl_(std::make_unique<Impl>(std::move(model), options)) {}
Scheduler::~Scheduler() = default;
Ticket Scheduler::submit(ScheduledRequest request) {
  return impl_->submit(std::move(request));
}
SchedulerStats Scheduler::stats() const {
  return impl_->stats();
}
const std::shared_ptr<const Model>& Scheduler::model() const {
  return impl_->model;
}
int64_t Scheduler::context() const {
  return impl_->context;
}

}  // namespace uma
