// Many answers at once, of a small random model with quantized weights: the same as each alone, to the bit.
#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "backend/install.h"
#include "base/error.h"

namespace uma {
namespace {

using namespace std::chrono_literals;
const bool installed = (install_backends(), true);

/// A model that lets a test see each step, and stop or break it.
class Watched final : public LanguageModel {
 public:
  explicit Watched(std::shared_ptr<const LanguageModel> inner) : inner_(std::move(inner)) {}
  const ModelConfig& config() const override { return inner_->config(); }
  std::unique_ptr<Cache> make_cache() const override { return inner_->make_cache(); }
  array hidden(std::span<const Chunk> chunks, LogitRows rows) const override {
    std::vector<int64_t> sizes;
    for (const Chunk& c : chunks) sizes.push_back(static_cast<int64_t>(c.tokens.size()));
    std::unique_lock lock(mutex);
    resume.wait(lock, [&] { return !paused; });
    steps.push_back(sizes);
    if (on_step) on_step(chunks);
    lock.unlock();
    return inner_->hidden(chunks, rows);
  }
  array head(const array& hidden) const override { return inner_->head(hidden); }
  int64_t weight_bytes_per_token() const override { return inner_->weight_bytes_per_token(); }
  int64_t weight_count() const override { return inner_->weight_count(); }

  void pause(bool on) {
    {
      std::lock_guard lock(mutex);
      paused = on;
    }
    resume.notify_all();
  }

  mutable std::mutex mutex;
  mutable std::condition_variable resume;
  mutable std::vector<std::vector<int64_t>> steps;  // tokens of each chunk
  std::function<void(std::span<const Chunk>)> on_step;
  bool paused = false;

 private:
  std::shared_ptr<const LanguageModel> inner_;
};

struct Outcome {
  GenerateResult result;
  std::exception_ptr error;

  std::string sentence() const {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const std::exception& e) {
      return e.what();
    }
    return "";
  }
};

struct Pending {
  Ticket ticket;
  std::future<Outcome> outcome;
  Outcome get() {
    if (outcome.wait_for(60s) != std::future_status::ready) {
      ADD_FAILURE() << "no answer came";
      std::abort();
    }
    return outcome.get();
  }
};

struct Fixture {
  std::shared_ptr<Watched> network;
  std::shared_ptr<Model> model = std::make_shared<Model>();

  explicit Fixture(const std::string& name = "qwen3") {
    *model = *open_model(std::string(UMA_SOURCE_DIR) + "/tests/golden/models/" + name + ".gguf");
    network = std::make_shared<Watched>(model->network);
    model->network = network;
  }
  static std::vector<int32_t> prompt(int seed, int tokens) {
    std::vector<int32_t> all;
    for (int i = 0; i < tokens; ++i) all.push_back((seed * 37 + i * i * 11 + i) % 250);
    return all;
  }
  static ScheduledRequest request(int seed, int tokens, int64_t max_tokens = 12) {
    ScheduledRequest r;
    r.prompt = prompt(seed, tokens);
    r.options.sampling.temperature = 0;
    r.options.max_tokens = max_tokens;
    r.options.ignore_eos = true;
    return r;
  }
  static Pending submit(Scheduler& scheduler, ScheduledRequest r) {
    auto promise = std::make_shared<std::promise<Outcome>>();
    r.on_done = [promise](GenerateResult result, std::exception_ptr error) {
      promise->set_value({std::move(result), std::move(error)});
    };
    Pending pending;
    pending.outcome = promise->get_future();
    pending.ticket = scheduler.submit(std::move(r));
    return pending;
  }
  std::vector<int32_t> alone(const ScheduledRequest& r) const {
    return Session(model, {.prefill_chunk = kPromptChunk}).generate(r.prompt, r.options).tokens;
  }
};

template <class F>
void eventually(F f) {
  for (int i = 0; i < 2000 && !f(); ++i) std::this_thread::sleep_for(5ms);
  EXPECT_TRUE(f());
}

TEST(Scheduler, AnswersInCompanyAreThoseOfEachAlone) {
  for (const char* name : {"qwen3", "gemma3", "llama3"}) {
    Fixture f(name);
    std::vector<ScheduledRequest> requests;
    for (int i = 0; i < 9; ++i) requests.push_back(Fixture::request(i, 1 + 23 * i, 8 + i));
    requests[4].options.sampling.temperature = 20;  // a draw is the seed's, not the company's
    requests[4].options.sampling.seed = 7;
    std::vector<std::vector<int32_t>> expected;
    for (const auto& r : requests) expected.push_back(f.alone(r));
    Scheduler scheduler(f.model, {.step_tokens = 70});
    std::vector<Pending> pending;
    for (const auto& r : requests) pending.push_back(Fixture::submit(scheduler, r));
    for (size_t i = 0; i < requests.size(); ++i) {
      const Outcome o = pending[i].get();
      EXPECT_EQ(o.sentence(), "");
      EXPECT_EQ(o.result.tokens, expected[i]) << name << " " << i;
      EXPECT_EQ(o.result.stop_reason, StopReason::length);
      EXPECT_EQ(o.result.timings.answer_tokens, 8 + static_cast<int64_t>(i));
    }
    eventually([&] { return scheduler.stats().active == 0; });
    EXPECT_EQ(scheduler.stats().finished, 9);
  }
}

TEST(Scheduler, ALongPromptDoesNotStallTheOthers) {
  Fixture f;
  f.network->pause(true);
  Scheduler scheduler(f.model, {.step_tokens = 80});
  Pending shorter = Fixture::submit(scheduler, Fixture::request(1, 5, 6));
  Pending longer = Fixture::submit(scheduler, Fixture::request(2, 200, 1));
  Pending other = Fixture::submit(scheduler, Fixture::request(3, 100, 1));
  f.network->pause(false);
  for (Pending* p : {&shorter, &longer, &other}) EXPECT_EQ(p->get().sentence(), "");
  std::lock_guard lock(f.network->mutex);
  for (const auto& step : f.network->steps) {
    int64_t rows = 0;
    for (const int64_t n : step) {
      rows += n;
      EXPECT_LE(n, kPromptChunk);
    }
    EXPECT_LE(rows, 80);
  }
  // The short one's five further tokens came beside the pieces of the two long ones, which took turns.
  size_t beside = 0;
  for (const auto& step : f.network->steps) beside += step.size() == 2 && step[0] == 1 && step[1] > 1;
  EXPECT_GE(beside, 4u);
}

TEST(Scheduler, AHitInThePrefixCacheGivesTheSameAnswer) {
  Fixture f("gemma3");
  Scheduler scheduler(f.model);
  const auto first = Fixture::submit(scheduler, Fixture::request(1, 150)).get();
  EXPECT_EQ(first.result.timings.reused_tokens, 0);
  const auto again = Fixture::submit(scheduler, Fixture::request(1, 150)).get();
  EXPECT_EQ(again.result.timings.reused_tokens, 128);
  EXPECT_EQ(again.result.tokens, first.result.tokens);
  // What was decoded is not reused: a prompt that goes on with the answer reads it anew.
  auto next = Fixture::request(1, 120, 40);
  next.prompt.insert(next.prompt.end(), 3, 9);
  const auto decoded = Fixture::submit(scheduler, next).get();
  EXPECT_EQ(decoded.result.timings.reused_tokens, 64);
  auto chat = next;
  chat.prompt.insert(chat.prompt.end(), decoded.result.tokens.begin(), decoded.result.tokens.end());
  const auto turn = Fixture::submit(scheduler, chat).get();
  EXPECT_EQ(turn.result.timings.reused_tokens, 64);
  EXPECT_EQ(turn.result.tokens, f.alone(chat));
  auto stranger = Fixture::request(1, 150);
  stranger.tenant = "another";
  EXPECT_EQ(Fixture::submit(scheduler, stranger).get().result.timings.reused_tokens, 0);
  EXPECT_GT(scheduler.stats().prefix_bytes, 0);
  eventually([&] { return scheduler.stats().reused_tokens == 256; });
}

TEST(Scheduler, CancelEndsARequestWithinAStep) {
  Fixture f;
  Scheduler scheduler(f.model);
  std::atomic<int> pieces{0};
  auto r = Fixture::request(1, 5, 200);
  r.options.on_text = [&](std::string_view) { ++pieces; };
  Pending p = Fixture::submit(scheduler, r);
  eventually([&] { return pieces > 2; });
  f.network->pause(true);
  p.ticket.cancel();
  size_t steps = 0;
  {
    std::lock_guard lock(f.network->mutex);
    steps = f.network->steps.size();
  }
  f.network->pause(false);
  EXPECT_EQ(p.get().result.stop_reason, StopReason::cancelled);
  {
    std::lock_guard lock(f.network->mutex);
    EXPECT_LE(f.network->steps.size(), steps + 1);
  }
  // In the middle of a prompt, and by letting go of the ticket.
  f.network->pause(true);
  Pending q = Fixture::submit(scheduler, Fixture::request(2, 250, 1));
  q.ticket = Ticket();
  f.network->pause(false);
  EXPECT_EQ(q.get().result.stop_reason, StopReason::cancelled);
  eventually([&] { return scheduler.stats().cancelled == 2; });
}

TEST(Scheduler, DeadlinesHoldForWaitingAndForAnswering) {
  Fixture f;
  Scheduler scheduler(f.model, {.parallel = 1});
  auto r = Fixture::request(1, 5, 200);
  std::atomic<bool> begun{false};
  r.options.on_text = [&](std::string_view) { begun = true; };
  Pending first = Fixture::submit(scheduler, r);
  eventually([&] { return begun.load(); });
  first.ticket.hold(true);
  auto late = Fixture::request(2, 5);
  late.deadline = std::chrono::steady_clock::now() + 20ms;
  Pending second = Fixture::submit(scheduler, late);
  EXPECT_EQ(second.get().result.stop_reason, StopReason::deadline);
  first.ticket.hold(false);
  EXPECT_EQ(first.get().result.stop_reason, StopReason::length);
  auto over = Fixture::request(3, 5);
  over.deadline = std::chrono::steady_clock::now() - 1s;
  EXPECT_EQ(Fixture::submit(scheduler, over).get().result.tokens.size(), 0u);
}

TEST(Scheduler, AHeldRequestWaitsAndTheOthersGoOn) {
  Fixture f;
  Scheduler scheduler(f.model);
  std::atomic<int> pieces{0};
  auto r = Fixture::request(1, 5, 100);
  r.options.on_text = [&](std::string_view) { ++pieces; };
  const auto expected = f.alone(r);
  f.network->pause(true);  // or it may be done before it is held
  Pending held = Fixture::submit(scheduler, r);
  held.ticket.hold(true);
  f.network->pause(false);
  EXPECT_EQ(Fixture::submit(scheduler, Fixture::request(2, 70, 20)).get().result.tokens.size(), 20u);
  EXPECT_EQ(held.outcome.wait_for(50ms), std::future_status::timeout);
  held.ticket.hold(false);
  EXPECT_EQ(held.get().result.tokens, expected);
}

/// Requests of one token each that wait for the only place in a step, and the order in which they had it.
struct Turns : Fixture {
  std::mutex mutex;
  std::string order;
  Scheduler scheduler{model, {.parallel = 1}};
  std::vector<Pending> pending;

  Turns() { network->pause(true); }
  void ask(const char* tenant, const char* name, int64_t priority = 0) {
    auto r = request(1, 3, 1);
    r.tenant = tenant;
    r.priority = priority;
    r.options.on_text = [this, name](std::string_view) {
      std::lock_guard lock(mutex);
      order += name;
    };
    pending.push_back(submit(scheduler, r));
  }
  /// Until the first has the place.
  void begin() {
    eventually([&] { return scheduler.stats().waiting == 0; });
  }
  void end() {
    network->pause(false);
    for (Pending& p : pending) EXPECT_EQ(p.get().sentence(), "");
  }
};

TEST(Scheduler, TurnsGoRoundTenants) {
  Turns t;
  t.ask("a", "a");
  t.begin();
  for (const char* tenant : {"a", "a", "a", "b", "c", "b"}) t.ask(tenant, tenant);
  t.end();
  EXPECT_EQ(t.order, "abcabaa");
}

TEST(Scheduler, TheLeastPriorityComesFirstAndTurnsGoRoundWithinIt) {
  Turns t;
  t.ask("a", "0");
  t.begin();
  t.ask("a", "1");
  t.ask("a", "2");
  t.ask("b", "3");
  t.ask("a", "4", 7);
  t.ask("a", "5", -5);
  t.ask("b", "6", 7);
  t.ask("c", "7", -5);
  t.end();
  // Of the first level c was never served; then a's turn was longer ago than b's never.
  EXPECT_EQ(t.order, "07531264");
}

TEST(Scheduler, AFullQueueIsBusyAndNobodyFillsItAlone) {
  Fixture f;
  f.network->pause(true);
  Scheduler scheduler(f.model, {.parallel = 1, .queue = 3});
  std::vector<Pending> pending;
  const auto ask = [&](const char* tenant) {
    auto r = Fixture::request(1, 3, 1);
    r.tenant = tenant;
    pending.push_back(Fixture::submit(scheduler, r));
  };
  ask("a");
  eventually([&] { return scheduler.stats().waiting == 0; });
  for (int i = 0; i < 4; ++i) ask("a");  // one of them for the place that is not known to be taken yet
  EXPECT_THROW(ask("a"), BusyError);
  ask("b");  // "a" has the whole queue: its newest goes
  EXPECT_EQ(scheduler.stats().refused, 2);
  f.network->pause(false);
  int busy = 0;
  for (Pending& p : pending)
    busy += p.get().sentence().find("others with fewer requests") != std::string::npos;
  EXPECT_EQ(busy, 1);
}

TEST(Scheduler, AnErrorInOneIsNobodyElses) {
  Fixture f;
  const auto poison = Fixture::prompt(99, 30);
  f.network->on_step = [&](std::span<const Chunk> chunks) {
    for (const Chunk& c : chunks)
      if (std::equal(c.tokens.begin(), c.tokens.end(), poison.begin(), poison.end()))
        fail(ErrorCode::kDevice, "test", "broken");
  };
  std::vector<ScheduledRequest> requests;
  std::vector<std::vector<int32_t>> expected;
  for (int i = 0; i < 3; ++i) requests.push_back(Fixture::request(i, 30 + 50 * i, 10));
  for (const auto& r : requests) expected.push_back(f.alone(r));
  f.network->pause(true);
  Scheduler scheduler(f.model);
  std::vector<Pending> pending;
  for (const auto& r : requests) pending.push_back(Fixture::submit(scheduler, r));
  Pending bad = Fixture::submit(scheduler, Fixture::request(99, 30));
  auto thrower = Fixture::request(7, 9);
  thrower.options.on_text = [](std::string_view) { throw std::runtime_error("reader broke"); };
  Pending broken = Fixture::submit(scheduler, thrower);
  f.network->pause(false);
  EXPECT_EQ(bad.get().sentence(), "[test] broken");
  EXPECT_EQ(broken.get().sentence(), "reader broke");
  for (size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(pending[i].get().result.tokens, expected[i]);
  eventually([&] { return scheduler.stats().failed == 2; });
}

TEST(Scheduler, TooManyKeysAndValuesPutTheLastBackWithoutChangingIt) {
  Fixture f;
  const int64_t one = [&] {
    const auto cache = f.model->network->make_cache();
    const int32_t token = 1;
    f.model->network->forward(std::span(&token, 1), *cache).eval();
    return cache->nbytes();
  }();
  std::vector<ScheduledRequest> requests;
  std::vector<std::vector<int32_t>> expected;
  for (int i = 0; i < 4; ++i) requests.push_back(Fixture::request(i, 70 + i, 20));
  for (const auto& r : requests) expected.push_back(f.alone(r));
  Scheduler scheduler(f.model, {.kv_bytes = 2 * one, .prefix_bytes = 0});
  std::vector<Pending> pending;
  for (const auto& r : requests) pending.push_back(Fixture::submit(scheduler, r));
  for (size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(pending[i].get().result.tokens, expected[i]);
  EXPECT_GT(scheduler.stats().preempted, 0);
  EXPECT_EQ(scheduler.stats().prefix_entries, 0);
}

TEST(Scheduler, LimitsAndStopsAreThoseOfASession) {
  Fixture f;
  Scheduler scheduler(f.model, {.context = 100});
  auto full = Fixture::request(1, 90, -1);
  const auto o = Fixture::submit(scheduler, full).get();
  EXPECT_EQ(o.result.stop_reason, StopReason::context);
  EXPECT_EQ(o.result.tokens.size(), 11u);
  full.context = 95;
  EXPECT_EQ(Fixture::submit(scheduler, full).get().result.tokens.size(), 6u);
  EXPECT_THROW(Fixture::submit(scheduler, Fixture::request(1, 101)), Error);
  EXPECT_THROW(Fixture::submit(scheduler, Fixture::request(1, 0)), Error);
  auto bad = Fixture::request(1, 5);
  bad.prompt[2] = 288;
  EXPECT_THROW(Fixture::submit(scheduler, bad), Error);
  auto stop = Fixture::request(1, 5, 30);
  const auto text = Fixture::submit(scheduler, stop).get().result.text;
  const size_t letter = text.find_first_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", 2);
  ASSERT_NE(letter, std::string::npos) << text;
  stop.options.stop = {text.substr(letter, 1)};
  const auto stopped = Fixture::submit(scheduler, stop).get().result;
  EXPECT_EQ(stopped.stop_reason, StopReason::stop);
  EXPECT_EQ(stopped.text, text.substr(0, text.find(stop.options.stop[0])));
  EXPECT_EQ(Fixture::submit(scheduler, Fixture::request(1, 5, 0)).get().result.stop_reason,
            StopReason::length);
  EXPECT_THROW(Scheduler(f.model, {.parallel = 0}), Error);
  EXPECT_THROW(Scheduler(f.model, {.queue = -1}), Error);
  EXPECT_THROW(Scheduler(f.model, {.context = 100000}), Error);
  ScheduledRequest mute = Fixture::request(1, 5);
  EXPECT_THROW((void)scheduler.submit(std::move(mute)), Error);
}

TEST(Scheduler, AGrammarHoldsAnAnswerInCompanyAsAlone) {
  Fixture f;
  const auto grammar = Grammar::from_json_schema(
      R"({"type":"array","items":{"type":"integer","minimum":0,"maximum":99},"minItems":3,"maxItems":6})");
  std::vector<ScheduledRequest> requests;
  std::vector<std::vector<int32_t>> expected;
  for (int i = 0; i < 6; ++i) {
    requests.push_back(Fixture::request(i, 5 + i, 200));
    if (i % 3 != 0) requests.back().options.grammar = grammar;
    expected.push_back(f.alone(requests.back()));
  }
  Scheduler scheduler(f.model);
  std::vector<Pending> pending;
  for (const auto& r : requests) pending.push_back(Fixture::submit(scheduler, r));
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto result = pending[i].get().result;
    EXPECT_EQ(result.tokens, expected[i]);
    EXPECT_TRUE(!requests[i].options.grammar || grammar->matches(result.text)) << result.text;
  }
  // What this vocabulary cannot spell ends that answer only.
  auto odd = Fixture::request(1, 5, 20);
  odd.options.grammar = grammar;
  odd.options.sampling.logit_bias.assign(1, {0, 0});
  for (int32_t t = 0; t < 288; ++t) odd.options.sampling.logit_bias.emplace_back(t, -INFINITY);
  EXPECT_TRUE(Fixture::submit(scheduler, odd).get().error != nullptr);
  EXPECT_EQ(Fixture::submit(scheduler, requests[1]).get().result.tokens, expected[1]);
}

/// Among its first letters every one of `ways` readings of each goes on, so the first mask takes long,
/// whatever the vocabulary.
std::shared_ptr<const Grammar> hard_grammar(int ways) {
  std::string pattern = "(";
  for (char c = 'A'; c <= 'z'; ++c)
    if (std::isalnum(static_cast<unsigned char>(c)))
      pattern += fmt::format("{}{}([ -~]?){{{}}}", pattern.size() > 1 ? "|" : "", c, ways);
  return Grammar::from_regex(pattern + ")");
}

TEST(Scheduler, AHardGrammarKeepsNobodyElseWaiting) {
  Fixture f;
  const auto start = std::chrono::steady_clock::now();
  auto constrained = Fixture::request(2, 5, 2);
  constrained.options.grammar = hard_grammar(800);
  const auto expected = f.alone(constrained);
  std::printf("alone it takes %.0f ms\n",
              std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() * 1e3);
  constrained.options.grammar = hard_grammar(800);  // knows nothing yet
  Scheduler scheduler(f.model);
  std::atomic<int> pieces{0};
  std::atomic<int> before{-1};
  auto r = Fixture::request(1, 5, 240);
  r.options.on_text = [&](std::string_view) { ++pieces; };
  Pending other = Fixture::submit(scheduler, r);
  eventually([&] { return pieces > 0; });
  const int begun = pieces;
  constrained.options.on_text = [&](std::string_view) {
    if (before < 0) before = pieces.load();
  };
  Pending hard = Fixture::submit(scheduler, constrained);
  EXPECT_EQ(hard.get().result.tokens, expected);
  EXPECT_GE(before - begun, 5) << "tokens that came while the mask was made";
  EXPECT_EQ(other.get().result.tokens, f.alone(r));
}

TEST(Scheduler, ItsEndEndsEveryRequest) {
  Fixture f;
  std::vector<Pending> pending;
  {
    Scheduler scheduler(f.model, {.parallel = 2});
    for (int i = 0; i < 5; ++i) pending.push_back(Fixture::submit(scheduler, Fixture::request(i, 5, 240)));
  }
  for (Pending& p : pending) {
    const auto reason = p.get().result.stop_reason;
    EXPECT_TRUE(reason == StopReason::cancelled || reason == StopReason::length);
  }
}

}  // namespace
}  // namespace uma
