// Log probabilities and embeddings of small random models, against the model's own logits and states.
#include "engine/logprobs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <future>

#include "backend/install.h"
#include "engine/generate.h"
#include "engine/pooling.h"
#include "engine/scheduler.h"
#include "text/tokenizer.h"

namespace uma {
namespace {

const bool installed = (install_backends(), true);

std::shared_ptr<const Model> golden(const std::string& name = "qwen3") {
  return open_model(std::string(UMA_SOURCE_DIR) + "/tests/golden/models/" + name + ".gguf", {.exact = true});
}

TEST(Logprobs, AreTheSoftmaxOfTheLogits) {
  const std::vector<float> logits{1, 3, 2, 3, -INFINITY};
  const double sum = std::exp(1.0) + 2 * std::exp(3.0) + std::exp(2.0);
  const TokenLogprob t = logprob_of(logits, 2, 3);
  EXPECT_EQ(t.token, 2);
  EXPECT_NEAR(t.logprob, 2 - std::log(sum), 1e-6);
  ASSERT_EQ(t.top.size(), 3u);
  EXPECT_EQ(t.top[0].first, 1);  // of two that are alike the first
  EXPECT_EQ(t.top[1].first, 3);
  EXPECT_EQ(t.top[2].first, 2);
  EXPECT_NEAR(t.top[0].second, 3 - std::log(sum), 1e-6);
  EXPECT_EQ(logprob_of(logits, 4, 0).logprob, -INFINITY);
  EXPECT_EQ(logprob_of(logits, 0, 20).top.size(), 5u);
  // Large logits do not overflow.
  EXPECT_NEAR(logprob_of(std::vector<float>{1000, 1000}, 0, 0).logprob, -std::log(2), 1e-6);
}

TEST(Logprobs, TokensWaitForTheirText) {
  LogprobQueue queue;
  queue.put({1, 0, {}}, 0, 2);
  queue.put({2, 0, {}}, 2, 2);  // a part of a character
  queue.put({3, 0, {}}, 2, 5);
  queue.put({4, 0, {}}, 5, 6);
  EXPECT_FALSE(queue.take(1, false));
  EXPECT_EQ(queue.take(2, false)->token, 1);
  EXPECT_EQ(queue.take(2, false)->token, 2);
  EXPECT_FALSE(queue.take(4, false));
  EXPECT_EQ(queue.take(4, true)->token, 3);
  EXPECT_FALSE(queue.take(5, true));  // it was cut off
}

TEST(Logprobs, OfAnAnswerAreThoseOfEachTokenAloneAndLeaveItAsItIs) {
  const auto model = golden();
  const std::vector<int32_t> prompt{5, 80, 33, 7};
  GenerateOptions options{.max_tokens = 10, .ignore_eos = true};
  options.sampling = {.temperature = 1.5, .seed = 3};
  options.sampling.logit_bias = {{65, 2.f}};
  const GenerateResult plain = Session(model).generate(prompt, options);
  EXPECT_TRUE(plain.logprobs.empty());
  options.logprobs = 4;
  std::vector<int32_t> told;
  options.on_logprob = [&](const TokenLogprob& t) { told.push_back(t.token); };
  const GenerateResult result = Session(model).generate(prompt, options);
  EXPECT_EQ(result.tokens, plain.tokens);
  EXPECT_EQ(told, plain.tokens);
  ASSERT_EQ(result.logprobs.size(), 10u);
  auto text = prompt;
  text.insert(text.end(), result.tokens.begin(), result.tokens.end());
  const auto cache = model->network->make_cache();
  const auto logits = model->network->forward(text, *cache, LogitRows::all).to_vector<float>();
  const auto vocab = static_cast<size_t>(model->config().vocab_size);
  for (size_t i = 0; i < 10; ++i) {
    const std::span<const float> row(logits.data() + (prompt.size() - 1 + i) * vocab, vocab);
    const TokenLogprob want = logprob_of(row, result.tokens[i], 4);
    EXPECT_EQ(result.logprobs[i].token, want.token);
    EXPECT_NEAR(result.logprobs[i].logprob, want.logprob, 1e-3);
    ASSERT_EQ(result.logprobs[i].top.size(), 4u);
    EXPECT_EQ(result.logprobs[i].top[0].first, want.top[0].first);
  }
  options.logprobs = kMaxTopLogprobs + 1;
  EXPECT_THROW(Session(model).generate(prompt, options), Error);
}

TEST(Logprobs, GoWithTheTextThatAStopStringCutsOff) {
  const auto model = golden();
  GenerateOptions options{.max_tokens = 12, .ignore_eos = true, .logprobs = 0};
  options.sampling.temperature = 0;
  options.sampling.logit_bias = {{65, 1000.f}};
  const std::vector<int32_t> prompt{1, 2, 3};
  const std::string letter = model->vocabulary->tokenizer->piece(65);
  options.stop = {letter + letter};
  const GenerateResult result = Session(model).generate(prompt, options);
  EXPECT_EQ(result.text, "");
  EXPECT_EQ(result.tokens.size(), 2u);
  EXPECT_TRUE(result.logprobs.empty());
}

GenerateResult embed(Scheduler& scheduler, std::vector<int32_t> prompt) {
  std::promise<GenerateResult> promise;
  ScheduledRequest request;
  request.prompt = std::move(prompt);
  request.embed = true;
  request.on_done = [&](GenerateResult result, const std::exception_ptr& error) {
    EXPECT_FALSE(error);
    promise.set_value(std::move(result));
  };
  const Ticket ticket = scheduler.submit(std::move(request));
  return promise.get_future().get();
}

TEST(Embedding, IsTheNormalisedMeanOfTheLastStatesInAnyCompany) {
  const auto model = golden();
  std::vector<int32_t> prompt;
  for (int i = 0; i < 150; ++i) prompt.push_back((i * i * 7 + i) % 250);  // three pieces
  const auto cache = model->network->make_cache();
  const Chunk chunk{prompt, cache.get()};
  const array states = model->network->hidden(std::span(&chunk, 1), LogitRows::all);
  const auto width = static_cast<size_t>(model->config().embedding_length);
  ASSERT_EQ(states.shape(), (Shape{150, static_cast<int64_t>(width)}));
  const auto values = states.to_vector<float>();
  std::vector<float> want(width);
  for (size_t k = 0; k < width; ++k)
    for (size_t i = 0; i < prompt.size(); ++i) want[k] += values[i * width + k] / 150;
  normalise(want);

  Scheduler scheduler(model);
  const GenerateResult alone = embed(scheduler, prompt);
  ASSERT_EQ(alone.embedding.size(), width);
  EXPECT_EQ(alone.stop_reason, StopReason::eos);
  EXPECT_EQ(alone.timings.prompt_tokens, 150);
  EXPECT_EQ(alone.timings.answer_tokens, 0);
  double squares = 0;
  for (size_t k = 0; k < width; ++k) {
    EXPECT_NEAR(alone.embedding[k], want[k], 1e-4);
    squares += static_cast<double>(alone.embedding[k]) * static_cast<double>(alone.embedding[k]);
  }
  EXPECT_NEAR(squares, 1, 1e-5);

  // Beside an answer: neither changes.
  ScheduledRequest asking;
  asking.prompt = {4, 5, 6};
  asking.options.sampling.temperature = 0;
  asking.options.ignore_eos = true;
  asking.options.max_tokens = 30;
  const auto answer = Session(model, {.prefill_chunk = kPromptChunk}).generate(asking.prompt, asking.options);
  std::promise<GenerateResult> answered;
  asking.on_done = [&](GenerateResult r, const std::exception_ptr&) { answered.set_value(std::move(r)); };
  const Ticket ticket = scheduler.submit(std::move(asking));
  EXPECT_EQ(embed(scheduler, prompt).embedding, alone.embedding);
  EXPECT_EQ(answered.get_future().get().tokens, answer.tokens);
}

}  // namespace
}  // namespace uma
