#include "engine/scheduler.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/thread.h"
#include "base/thread_pool.h"
#include "core/eval.h"
#include "core/kernel.h"
#include "engine/answer.h"
#include "engine/clock.h"
#include "engine/pooling.h"
#include "engine/prefix_cache.h"
#include "ops/indexing.h"

namespace uma {
namespace {

constexpr auto kBad = ErrorCode::kInvalidArgument;
// How often deadlines are looked at while nothing can be computed.
constexpr std::chrono::milliseconds kPoll{50};

struct Wake {
  std::mutex mutex;
  std::condition_variable changed;
};

}  // namespace

struct Ticket::Control {
  std::shared_ptr<Wake> wake;
  std::atomic<bool> cancelled{false}, held{false};

  void set(std::atomic<bool>& flag, bool value) {
    {
      std::lock_guard lock(wake->mutex);
      flag.store(value, std::memory_order_relaxed);
    }
    wake->changed.notify_one();
  }
};

Ticket& Ticket::operator=(Ticket&& other) noexcept {
  if (this != &other) {
    cancel();
    control_ = std::move(other.control_);
  }
  return *this;
}
void Ticket::cancel() {
  if (control_) control_->set(control_->cancelled, true);
}
void Ticket::hold(bool held) {
  if (control_) control_->set(control_->held, held);
}

class Scheduler::Impl {
 public:
  Impl(std::shared_ptr<const Model> model, const SchedulerOptions& options);
  ~Impl();
  Ticket submit(ScheduledRequest request);
  SchedulerStats stats() const;

  const std::shared_ptr<const Model> model;
  int64_t context;

 private:
  struct Sequence {
    Sequence(const std::shared_ptr<const Model>& model, ScheduledRequest r, int64_t context)
        : request(std::move(r)),
          answer(model, request.prompt, request.options, context),
          tokens(std::move(request.prompt)),
          prompt_size(tokens.size()) {}

    bool reading() const { return done < prompt_size; }
    /// What goes through the model next: a piece of the prompt, or a token of the answer. Of these there is
    /// more than one left only after the keys and values were lost.
    std::span<const int32_t> next() const {
      const size_t cut = (done / kPromptChunk + 1) * kPromptChunk;
      return std::span(tokens).subspan(done, reading() ? std::min(cut, prompt_size) - done : 1);
    }
    std::optional<StopReason> ended(Clock::time_point now) const {
      if (control->cancelled.load(std::memory_order_relaxed)) return StopReason::cancelled;
      if (request.deadline && now >= *request.deadline) return StopReason::deadline;
      return {};
    }
    /// Forgets what the model has read; it is read again.
    void lose_cache() {
      cache.reset();
      pool.clear();
      done = 0;
    }
    bool held() const { return control->held.load(std::memory_order_relaxed); }

    ScheduledRequest request;
    Answer answer;
    std::vector<int32_t> tokens;  // prompt and answer
    size_t prompt_size;
    size_t done = 0;  // tokens whose keys and values the cache holds
    std::unique_ptr<Cache> cache;
    MeanPool pool;  // of what was read, for an embedding
    std::shared_ptr<Ticket::Control> control = std::make_shared<Ticket::Control>();
    int64_t turn = 0;      // the step that last read a piece of its prompt
    bool suspect = false;  // was in a step that failed: runs alone until it is known whose fault it was
    bool finished = false;
    std::exception_ptr error;
    int32_t token = 0;
    Clock::time_point submitted = Clock::now();
    std::optional<Clock::time_point> begun, first_token;
  };
  using SequencePtr = std::unique_ptr<Sequence>;
  using Sequences = std::vector<Sequence*>;

  void run();
  bool has_work() const;
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  void take_ended(std::vector<SequencePtr>& ended);
  void admit();
  int64_t waiting() const;
  int64_t active_bytes() const;
  void begin(Sequence& s);
  void make_room();
  Sequences plan();
  void step(const Sequences& sequences);
  struct Outputs {
    std::optional<array> logits;  // of each sequence's last token
    std::optional<array> states;  // of every token
  };
  Outputs run_model(std::span<const Chunk> chunks, bool logits, bool states) const;
  void pool_states(const Sequences& sequences, std::span<const Chunk> chunks, const array& states);
  void recover(const Sequences& sequences, std::exception_ptr error);
  void draw(const Sequences& sequences, const array& logits);
  void take_token(Sequence& s);
  void finish(Sequence& s, StopReason reason, std::exception_ptr error = nullptr);
  void forget_finished();
  void publish();

  SchedulerOptions options_;
  // Guarded by wake_->mutex.
  std::shared_ptr<Wake> wake_ = std::make_shared<Wake>();
  std::map<std::string, std::deque<SequencePtr>> waiting_;  // by tenant; none is empty
  std::vector<SequencePtr> turned_away_;
  SchedulerStats published_;
  int64_t refused_ = 0;
  bool stop_ = false;
  // The thread's own.
  std::vector<SequencePtr> active_;  // in the order they came in
  std::string last_tenant_;
  PrefixCache prefix_;
  SchedulerStats counts_;
  bool full_ = false;  // keys and values were too many: nobody comes in until somebody has gone
  std::thread thread_;
};

Scheduler::Impl::Impl(std::shared_ptr<const Model> m, const SchedulerOptions& options)
    : model(std::move(m)), options_(options), prefix_(kPromptChunk, options.prefix_bytes) {
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
  auto sequence = std::make_unique<Sequence>(model, std::move(request), most);
  sequence->control->wake = wake_;
  Ticket ticket(sequence->control);
  {
    std::lock_guard lock(wake_->mutex);
    std::deque<SequencePtr>& mine = waiting_[sequence->request.tenant];
    if (waiting() >= options_.queue + options_.parallel - published_.active) {
      // A full queue takes from whom has most in it; who has as much himself is turned away.
      const auto most_waiting = std::max_element(waiting_.begin(), waiting_.end(), [](auto& a, auto& b) {
        return a.second.size() < b.second.size();
      });
      ++refused_;
      if (most_waiting->second.size() <= mine.size() + 1) {
        if (mine.empty()) waiting_.erase(sequence->request.tenant);
        throw BusyError(fmt::format("{} requests are waiting already", options_.queue));
      }
      turned_away_.push_back(std::move(most_waiting->second.back()));
      most_waiting->second.pop_back();
    }
    mine.push_back(std::move(sequence));
  }
  wake_->changed.notify_one();
  return ticket;
}

SchedulerStats Scheduler::Impl::stats() const {
  std::lock_guard lock(wake_->mutex);
  SchedulerStats stats = published_;
  stats.waiting = waiting();
  stats.refused = refused_;
  return stats;
}

int64_t Scheduler::Impl::waiting() const {
  size_t n = 0;
  for (const auto& [tenant, queue] : waiting_) n += queue.size();
  return static_cast<int64_t>(n);
}

int64_t Scheduler::Impl::active_bytes() const {
  int64_t bytes = 0;
  for (const SequencePtr& s : active_)
    if (s->cache) bytes += s->cache->nbytes();
  return bytes;
}

void Scheduler::Impl::run() {
  std::vector<SequencePtr> ended;
  for (;;) {
    {
      std::unique_lock lock(wake_->mutex);
      wait_for_work(lock);
      if (stop_) break;
      take_ended(ended);
      admit();
    }
    const auto now = Clock::now();
    for (const SequencePtr& s : ended) finish(*s, s->ended(now).value_or(StopReason::cancelled), s->error);
    ended.clear();
    for (const SequencePtr& s : active_)
      if (const auto reason = s->ended(now)) finish(*s, *reason);
    for (const SequencePtr& s : active_)
      if (!s->finished && !s->cache) begin(*s);
    forget_finished();
    make_room();
    if (const Sequences sequences = plan(); !sequences.empty()) step(sequences);
    forget_finished();
    publish();
  }
  for (auto& [tenant, queue] : waiting_)
    for (const SequencePtr& s : queue) finish(*s, StopReason::cancelled);
  for (const SequencePtr& s : turned_away_) finish(*s, StopReason::cancelled, s->error);
  for (const SequencePtr& s : active_) finish(*s, StopReason::cancelled);
}

bool Scheduler::Impl::has_work() const {
  const auto now = Clock::now();
  if (stop_ || !turned_away_.empty()) return true;
  for (const SequencePtr& s : active_)
    if (!s->held() || s->ended(now)) return true;
  const bool place = !full_ && static_cast<int64_t>(active_.size()) < options_.parallel;
  for (const auto& [tenant, queue] : waiting_)
    for (const SequencePtr& s : queue)
      if (place || s->ended(now)) return true;
  return false;
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
void Scheduler::Impl::take_ended(std::vector<SequencePtr>& ended) {
  const auto now = Clock::now();
  for (SequencePtr& s : turned_away_) {
    s->error = std::make_exception_ptr(BusyError("others with fewer requests came"));
    ended.push_back(std::move(s));
  }
  turned_away_.clear();
  for (auto& [tenant, queue] : waiting_)
    for (SequencePtr& s : queue)
      if (s->ended(now)) ended.push_back(std::move(s));
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    std::erase(it->second, nullptr);
    it = it->second.empty() ? waiting_.erase(it) : std::next(it);
  }
}

/// Gives free places away, one a tenant and turn.
void Scheduler::Impl::admit() {
  const bool closed = full_ || active_bytes() >= options_.kv_bytes;
  while (!waiting_.empty() && static_cast<int64_t>(active_.size()) < options_.parallel) {
    if (closed && !active_.empty()) return;
    auto turn = waiting_.upper_bound(last_tenant_);
    if (turn == waiting_.end()) turn = waiting_.begin();
    last_tenant_ = turn->first;
    active_.push_back(std::move(turn->second.front()));
    turn->second.pop_front();
    if (turn->second.empty()) waiting_.erase(turn);
  }
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

/// Puts back who came last while keys and values are too many. What they said stands: they read it again
/// when there is room, in the same pieces, and go on.
void Scheduler::Impl::make_room() {
  int64_t bytes = active_bytes();
  while (bytes > options_.kv_bytes && active_.size() > 1) {
    SequencePtr last = std::move(active_.back());
    active_.pop_back();
    bytes -= last->cache->nbytes();
    last->lose_cache();
    full_ = true;
    ++counts_.preempted;
    std::lock_guard lock(wake_->mutex);
    std::deque<SequencePtr>& queue = waiting_[last->request.tenant];
    queue.push_front(std::move(last));
  }
}

Scheduler::Impl::Sequences Scheduler::Impl::plan() {
  Sequences step, reading;
  for (const SequencePtr& s : active_) {
    if (s->held()) continue;
    if (s->suspect) return {s.get()};
    (s->reading() ? reading : step).push_back(s.get());
  }
  std::stable_sort(reading.begin(), reading.end(), [](auto* a, auto* b) { return a->turn < b->turn; });
  auto rows = static_cast<int64_t>(step.size());
  bool any = false;  // one piece always goes in, however many are being answered
  for (Sequence* s : reading) {
    const auto piece = static_cast<int64_t>(s->next().size());
    if (any && rows + piece > options_.step_tokens) continue;
    any = true;
    rows += piece;
    s->turn = counts_.steps + 1;
    step.push_back(s);
  }
  return step;
}

Scheduler::Impl::Outputs Scheduler::Impl::run_model(std::span<const Chunk> chunks, bool logits,
                                                    bool states) const {
  const LogitRows rows = states ? LogitRows::all : logits ? LogitRows::last : LogitRows::none;
  array hidden = model->network->hidden(chunks, rows);
  Outputs out;
  std::vector<array> wanted;
  if (states) wanted.push_back(hidden);
  if (states && logits) {
    std::vector<int32_t> last;
    for (const Chunk& c : chunks)
      last.push_back((last.empty() ? -1 : last.back()) + static_cast<int32_t>(c.tokens.size()));
    hidden = take(hidden, array(std::span<const int32_t>(last), {static_cast<int64_t>(last.size())}), 0);
  }
  if (logits) wanted.push_back(model->network->head(hidden));
  if (wanted.empty())
    for (const Chunk& c : chunks)
      for (array& a : c.cache->arrays()) wanted.push_back(std::move(a));
  eval(wanted);
  if (logits) out.logits = row_contiguous(wanted.back());
  if (states) out.states = row_contiguous(wanted.front());
  return out;
}

void Scheduler::Impl::step(const Sequences& sequences) {
  std::vector<Chunk> chunks;
  bool wanted = false, embeds = false;
  for (Sequence* s : sequences) {
    chunks.push_back({s->next(), s->cache.get()});
    wanted |= !s->request.embed && s->done + s->next().size() == s->tokens.size();
    embeds |= s->request.embed;
  }
  Outputs out;
  std::exception_ptr failure;
  try {
    out = run_model(chunks, wanted, embeds);
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
      s->token = s->answer.sample({row, vocab});
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
    if (!failure) reason = s.answer.accept(s.token);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) return finish(s, StopReason::cancelled, std::move(failure));
  if (reason) return finish(s, *reason);
  s.tokens.push_back(s.token);
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
