// The loop around a model: with a scripted network, whose answers are known, and with a small random one.
#include "engine/generate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "backend/install.h"
#include "base/error.h"
#include "engine/bench.h"
#include "engine/guess.h"
#include "engine/perplexity.h"
#include "text/tokenizer.h"

namespace uma {
namespace {

const bool installed = (install_backends(), true);
constexpr int32_t kEos = 287;  // of the tiny models' vocabulary, whose first 256 tokens are the bytes

std::string tiny(const std::string& name) {
  return std::string(UMA_SOURCE_DIR) + "/tests/golden/models/" + name + ".gguf";
}

/// The token of a byte in the tiny vocabulary.
int32_t token_of(const Tokenizer& tokenizer, const std::string& byte) {
  const auto ids = tokenizer.encode(byte);
  EXPECT_EQ(ids.size(), 1u);
  return ids.at(0);
}

/// Says `script`, token by token, whatever it is asked; then the end of the answer, for ever.
class Scripted final : public LanguageModel {
 public:
  Scripted(std::vector<int32_t> script, int64_t prompt_tokens, int64_t context)
      : script_(std::move(script)), prompt_tokens_(prompt_tokens) {
    config_.vocab_size = 288;
    config_.context_length = context;
  }
  const ModelConfig& config() const override { return config_; }
  std::unique_ptr<Cache> make_cache() const override { return std::make_unique<Count>(); }
  array head(const array& hidden) const override { return hidden; }
  array hidden(std::span<const Chunk> chunks, LogitRows rows) const override {
    auto& cache = dynamic_cast<Count&>(*chunks[0].cache);
    cache.tokens += static_cast<int64_t>(chunks[0].tokens.size());
    calls.push_back(static_cast<int64_t>(chunks[0].tokens.size()));
    if (on_call) on_call();
    const int64_t wanted = rows == LogitRows::none ? 0 : rows == LogitRows::last ? 1 : calls.back();
    std::vector<float> logits(static_cast<size_t>(wanted * 288), 0.f);
    for (int64_t i = 0; i < wanted; ++i) {
      const auto at = static_cast<size_t>(cache.tokens - wanted + 1 + i - prompt_tokens_);
      logits[static_cast<size_t>(i * 288 + (at < script_.size() ? script_[at] : kEos))] = 1;
    }
    return array(std::span<const float>(logits), {wanted, 288});
  }
  int64_t weight_bytes_per_token() const override { return 0; }
  int64_t weight_count() const override { return 0; }

  mutable std::vector<int64_t> calls;  // tokens of each forward pass
  std::function<void()> on_call;

 private:
  struct Count final : Cache {
    int64_t tokens = 0;
    int64_t size() const override { return tokens; }
    void truncate(int64_t n) override { tokens = n; }
    std::vector<array> arrays() const override { return {}; }
    int64_t nbytes() const override { return 0; }
    std::unique_ptr<Cache> clone() const override { return std::make_unique<Count>(*this); }
  };
  std::vector<int32_t> script_;
  int64_t prompt_tokens_;
  ModelConfig config_;
};

struct Fixture {
  std::shared_ptr<const Vocabulary> vocabulary = load_vocabulary(tiny("qwen2"));
  std::shared_ptr<Scripted> network;
  std::shared_ptr<Model> model = std::make_shared<Model>();
  GenerateOptions options;
  std::string streamed;
  std::vector<int32_t> prompt;

  explicit Fixture(const std::string& answer, int64_t prompt_tokens = 3, int64_t context = 256) {
    std::vector<int32_t> script;
    for (const char c : answer) script.push_back(token_of(*vocabulary->tokenizer, "a") - 'a' + c);
    network = std::make_shared<Scripted>(script, prompt_tokens, context);
    model->vocabulary = vocabulary;
    model->network = network;
    options.sampling.temperature = 0;
    options.on_text = [this](std::string_view text) { streamed += text; };
    for (int64_t i = 0; i < prompt_tokens; ++i) prompt.push_back(static_cast<int32_t>(i % 256));
  }
  GenerateResult generate() { return Session(model).generate(prompt, options); }
};

TEST(Generate, StreamsAnAnswerToItsEnd) {
  Fixture f("hello");
  const GenerateResult r = f.generate();
  EXPECT_EQ(r.text, "hello");
  EXPECT_EQ(f.streamed, "hello");
  EXPECT_EQ(r.tokens.size(), 5u);
  EXPECT_EQ(r.stop_reason, StopReason::eos);
  EXPECT_EQ(r.timings.prompt_tokens, 3);
  EXPECT_EQ(r.timings.answer_tokens, 5);
  EXPECT_EQ(r.timings.decoded_tokens, 5);
}

TEST(Generate, StopsAtMaxTokensWithoutRunningTheLast) {
  Fixture f("hello");
  f.options.max_tokens = 2;
  const GenerateResult r = f.generate();
  EXPECT_EQ(r.text, "he");
  EXPECT_EQ(r.stop_reason, StopReason::length);
  EXPECT_EQ(f.network->calls, (std::vector<int64_t>{3, 1}));
  f.options.max_tokens = 0;
  EXPECT_EQ(f.generate().stop_reason, StopReason::length);
}

TEST(Generate, AGrammarHoldsTheAnswerAndEndsIt) {
  Fixture f("hello");
  f.options.grammar = Grammar::from_regex("[a-z]{3}[?!]");
  const GenerateResult r = f.generate();
  EXPECT_EQ(r.text, "hel!");  // the lower of the two that fit
  EXPECT_EQ(r.stop_reason, StopReason::eos);
  EXPECT_EQ(f.network->calls.size(), 4u);  // nobody is asked what comes after the end
  f.options.ignore_eos = true;
  EXPECT_EQ(f.generate().text, "hel!");
  f.options.max_tokens = 2;
  EXPECT_EQ(f.generate().text, "he");
  f.options.max_tokens = -1;
  f.options.grammar = Grammar::from_regex("[a-z]+");  // may end, and does where the model wants to
  EXPECT_EQ(f.generate().text, "hello");
  f.options.grammar = Grammar::from_regex("(hel)*");
  f.options.guesses = 4;
  f.options.max_tokens = 12;
  const GenerateResult guessed = f.generate();
  f.options.guesses = 0;
  EXPECT_EQ(guessed.tokens, f.generate().tokens);
}

TEST(Generate, CallsAreTakenOutOfTheText) {
  Fixture f("Sure.\n<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 12}}</tool_call>");
  f.options.tools = ToolStyle::tagged;
  const char* schema = R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]})";
  f.options.grammar = tool_grammar(ToolStyle::tagged, {{"f", schema}}, false, true);
  std::vector<std::string> called;
  f.options.on_call = [&](const ToolCall& call) { called.push_back(call.name + call.arguments); };
  const GenerateResult r = f.generate();
  EXPECT_EQ(r.text, "Sure.");
  EXPECT_EQ(f.streamed, "Sure.");
  EXPECT_EQ(called, (std::vector<std::string>{R"(f{"a":12})"}));
  ASSERT_EQ(r.tool_calls.size(), 1u);
  EXPECT_EQ(r.stop_reason, StopReason::eos);
  // What was drawn for the call counts among the log probabilities, as it does among the tokens.
  f.options.logprobs = 0;
  const GenerateResult told = f.generate();
  EXPECT_EQ(told.logprobs.size(), told.tokens.size());
}

TEST(Generate, StopStringsEndTheTextBeforeThem) {
  Fixture f("one\nUser: two");
  f.options.stop = {"\nUser:", "nothing"};
  const GenerateResult r = f.generate();
  EXPECT_EQ(r.text, "one");
  EXPECT_EQ(f.streamed, "one");
  EXPECT_EQ(r.stop_reason, StopReason::stop);
  EXPECT_EQ(r.stop_string, "\nUser:");
  f.options.stop = {"two three"};
  EXPECT_EQ(f.generate().text, "one\nUser: two");  // held back, then let go
}

TEST(Generate, TheContextIsNeverPassedNorCutSilently) {
  Fixture f("abcdefghij", 3, 6);
  const GenerateResult r = f.generate();
  EXPECT_EQ(r.text, "abcd");  // 3 + 3 tokens held; the fourth is said and not run
  EXPECT_EQ(r.stop_reason, StopReason::context);
  f.prompt.assign(7, 1);
  try {
    f.generate();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kLimit);
    EXPECT_STREQ(e.what(), "[generate] the prompt has 7 tokens, the context holds 6");
  }
  EXPECT_THROW(Session(f.model, {.context = 7}), Error);
  EXPECT_THROW(Session(f.model, {.context = -1}), Error);
  EXPECT_THROW(Session(f.model, {.prefill_chunk = 0}), Error);
  EXPECT_EQ(Session(f.model, {.context = 5}).context(), 5);
  EXPECT_EQ(Session(f.model).context(), 6);
}

TEST(Generate, PromptsGoInChunksAndOnlyWhatIsNew) {
  Fixture f("ab", 10);
  Session session(f.model, {.prefill_chunk = 4});
  session.generate(f.prompt, f.options);
  EXPECT_EQ(f.network->calls, (std::vector<int64_t>{4, 4, 2, 1, 1}));
  EXPECT_EQ(session.cached_tokens().size(), 12u);
  f.network->calls.clear();
  // The same beginning: only what differs, and always the last token.
  std::vector<int32_t> next(f.prompt);
  next[8] = 200;
  EXPECT_EQ(session.generate(next, f.options).timings.reused_tokens, 8);
  EXPECT_EQ(f.network->calls[0], 2);
  EXPECT_EQ(session.generate(next, f.options).timings.reused_tokens, 9);
  EXPECT_EQ(session.generate(std::vector<int32_t>{5}, f.options).timings.reused_tokens, 0);
  session.reset();
  EXPECT_TRUE(session.cached_tokens().empty());
}

TEST(Generate, CancelStopsAndTheSessionGoesOn) {
  Fixture f("abcdef", 10);
  std::atomic<bool> cancel{true};
  f.options.cancel = &cancel;
  Session session(f.model, {.prefill_chunk = 4});
  EXPECT_EQ(session.generate(f.prompt, f.options).stop_reason, StopReason::cancelled);
  EXPECT_TRUE(f.network->calls.empty());
  cancel = false;
  f.network->on_call = [&] { cancel = f.network->calls.size() == 2; };  // in the middle of the prompt
  EXPECT_EQ(session.generate(f.prompt, f.options).stop_reason, StopReason::cancelled);
  EXPECT_EQ(session.cached_tokens().size(), 8u);
  cancel = false;
  f.network->on_call = [&] { cancel = f.network->calls.size() == 5; };  // in the middle of the answer
  const GenerateResult r = session.generate(f.prompt, f.options);
  EXPECT_EQ(r.stop_reason, StopReason::cancelled);
  EXPECT_EQ(r.timings.reused_tokens, 8);
  EXPECT_EQ(r.text, "ab");
  f.network->on_call = nullptr;
  cancel = false;
  EXPECT_EQ(session.generate(f.prompt, f.options).text, "abcdef");
}

TEST(Generate, AnErrorLeavesAFreshSession) {
  Fixture f("ab");
  f.network->on_call = [] { fail(ErrorCode::kDevice, "test", "broken"); };
  Session session(f.model);
  EXPECT_THROW(session.generate(f.prompt, f.options), Error);
  EXPECT_TRUE(session.cached_tokens().empty());
  f.network->on_call = nullptr;
  EXPECT_EQ(session.generate(f.prompt, f.options).text, "ab");
}

TEST(Generate, RefusesWhatMakesNoSense) {
  Fixture f("ab");
  Session session(f.model);
  EXPECT_THROW(session.generate({}, f.options), Error);
  EXPECT_THROW(session.generate(std::vector<int32_t>{-1}, f.options), Error);
  EXPECT_THROW(session.generate(std::vector<int32_t>{288}, f.options), Error);
  f.options.max_tokens = -2;
  EXPECT_THROW(session.generate(f.prompt, f.options), Error);
  f.options.max_tokens = -1;
  f.options.stop = {""};
  EXPECT_THROW(session.generate(f.prompt, f.options), Error);
  EXPECT_THROW(Session(nullptr), Error);
}

TEST(Generate, CharactersAreNeverSplit) {
  Fixture f("\xe6\x9d\xb1\xe4\xba\xac");
  std::vector<int32_t> script;  // a byte a token
  for (const std::string byte : {"\xe6", "\x9d", "\xb1", "\xe4", "\xba", "\xac"})
    for (int32_t id = 0; id < 256; ++id)
      if (f.vocabulary->tokenizer->piece(id) == byte) script.push_back(id);
  ASSERT_EQ(script.size(), 6u);
  f.network = std::make_shared<Scripted>(script, 3, 256);
  f.model->network = f.network;
  std::vector<std::string> pieces;
  f.options.on_text = [&](std::string_view text) { pieces.emplace_back(text); };
  EXPECT_EQ(f.generate().text, "\xe6\x9d\xb1\xe4\xba\xac");
  EXPECT_EQ(pieces, (std::vector<std::string>{"\xe6\x9d\xb1", "\xe4\xba\xac"}));
}

TEST(Generate, GreedyAndSeededAnswersRepeat) {
  const auto model = open_model(tiny("gemma3"), {.exact = true});
  const std::vector<int32_t> prompt{10, 20, 30, 40};
  const auto answer = [&](float temperature, uint64_t seed, int64_t chunk) {
    GenerateOptions options;
    options.sampling.temperature = temperature;
    options.sampling.seed = seed;
    options.sampling.top_k = 0;
    options.sampling.top_p = 1;
    options.sampling.min_p = 0;
    options.max_tokens = 24;
    options.ignore_eos = true;
    return Session(model, {.prefill_chunk = chunk}).generate(prompt, options).tokens;
  };
  EXPECT_EQ(answer(0, 1, 512).size(), 24u);
  EXPECT_EQ(answer(0, 1, 512), answer(0, 2, 1));
  // Hot, and nothing cut off: this little model likes one token above all.
  EXPECT_EQ(answer(50, 1, 512), answer(50, 1, 512));
  EXPECT_NE(answer(50, 1, 512), answer(50, 2, 512));
}

TEST(Generate, GuessesSaveStepsAndChangeNothing) {
  Fixture f("one two, one two, one two, one two, one two.");
  const GenerateResult plain = f.generate();
  const size_t steps = f.network->calls.size();
  f.network->calls.clear();
  f.options.guesses = 3;
  const GenerateResult guessed = f.generate();
  EXPECT_EQ(guessed.tokens, plain.tokens);
  EXPECT_EQ(guessed.text, plain.text);
  EXPECT_EQ(guessed.stop_reason, StopReason::eos);
  EXPECT_EQ(guessed.timings.decoded_tokens, plain.timings.decoded_tokens);
  EXPECT_LT(f.network->calls.size(), steps / 2);
  EXPECT_GT(guessed.timings.right_guesses, 20);
  EXPECT_GE(guessed.timings.guessed_tokens, guessed.timings.right_guesses);
  EXPECT_EQ(plain.timings.guessed_tokens, 0);
}

TEST(Generate, GuessesKeepEveryLimit) {
  for (const int64_t guesses : {0, 2, 7}) {
    Fixture f("abcabcabcabcabcabcabcabc", 3, 20);
    f.options.guesses = guesses;
    EXPECT_EQ(f.generate().stop_reason, StopReason::context);
    EXPECT_EQ(f.generate().tokens.size(), 18u);  // the last is said and not run
    f.options.max_tokens = 8;
    EXPECT_EQ(f.generate().text, "abcabcab");
    f.options.stop = {"bcab"};
    EXPECT_EQ(f.generate().text, "a");
  }
  Fixture f("a");
  for (const int64_t wrong : {-1, 8}) {
    f.options.guesses = wrong;
    EXPECT_THROW(f.generate(), Error);
  }
}

/// So many tokens, whatever they are.
GenerateOptions endless(float temperature, int64_t tokens) {
  GenerateOptions options;
  options.sampling.temperature = temperature;
  options.sampling.seed = 5;
  options.max_tokens = tokens;
  options.ignore_eos = true;
  return options;
}

// The same draws from the same bits, greedy or not; the cache afterwards holds what it would hold.
TEST(Generate, GuessesAreCheckedToTheBit) {
  for (const char* name : {"qwen2", "gemma3", "llama"}) {
    const auto model = open_model(tiny(name));
    std::vector<int32_t> prompt;
    for (int32_t i = 0; i < 40; ++i) prompt.push_back(10 + i % 4);
    for (const float temperature : {0.f, 3.f}) {
      GenerateOptions options = endless(temperature, 60);
      Session plain(model), guessing(model);
      const auto expected = plain.generate(prompt, options);
      auto longer = prompt;
      longer.insert(longer.end(), expected.tokens.begin(), expected.tokens.end());
      const auto next = plain.generate(longer, options);
      for (const int64_t guesses : {1, 3, 7}) {
        options.guesses = guesses;
        guessing.reset();
        EXPECT_EQ(guessing.generate(prompt, options).tokens, expected.tokens) << name << ' ' << guesses;
        EXPECT_EQ(guessing.generate(longer, options).tokens, next.tokens) << name << ' ' << guesses;
      }
    }
  }
}

// A draft that is the model itself is always right where answers are greedy; another one is sometimes; no
// draft changes anything.
TEST(Generate, ADraftModelChangesNothing) {
  const auto model = open_model(tiny("qwen2")), other = open_model(tiny("qwen3"));
  std::vector<int32_t> prompt;
  for (int32_t i = 0; i < 30; ++i) prompt.push_back(20 + i * 7 % 200);
  for (const float temperature : {0.f, 3.f}) {
    GenerateOptions options = endless(temperature, 40);
    const auto expected = Session(model).generate(prompt, options);
    options.guesses = 3;
    for (const auto& draft : {model, other}) {
      Session session(model, {.draft = draft});
      for (int turn = 0; turn < 2; ++turn) {
        const auto result = session.generate(prompt, options);
        EXPECT_EQ(result.tokens, expected.tokens);
        // The guesses of the last pass may come after the answer's end.
        if (draft == model && temperature == 0) {
          EXPECT_GE(result.timings.right_guesses + options.guesses, result.timings.guessed_tokens);
        }
      }
    }
  }
  auto foreign = std::make_shared<Model>(*other);
  auto vocabulary = std::make_shared<Vocabulary>(*other->vocabulary);
  vocabulary->bos = 3;
  foreign->vocabulary = vocabulary;
  EXPECT_THROW(Session(model, {.draft = foreign}), Error);
}

TEST(PromptLookup, GuessesWhatFollowedBefore) {
  PromptLookup lookup;
  const auto after = [&](std::vector<int32_t> text) {
    lookup.restart();
    for (const int32_t token : text) lookup.accept(token);
    return lookup.guess(4);
  };
  using Tokens = std::vector<int32_t>;
  EXPECT_EQ(after({}), Tokens{});
  EXPECT_EQ(after({1, 2, 3}), Tokens{});
  EXPECT_EQ(after({1, 2, 3, 4, 5, 6, 1, 2, 3}), (Tokens{4, 5, 6, 1}));
  EXPECT_EQ(after({9, 2, 3, 7, 1, 2, 3, 4, 8, 2, 3}), (Tokens{4, 8, 2, 3}));  // the latest of two
  EXPECT_EQ(after({1, 2, 3, 5, 4, 2, 3, 6, 1, 2, 3}), (Tokens{5, 4, 2, 3}));  // three tell more than two
  EXPECT_EQ(after({5, 5, 5}), (Tokens{5, 5, 5, 5}));                          // a text that goes on repeating
  EXPECT_EQ(after({1, 2, 1, 2}), (Tokens{1, 2, 1, 2}));
  EXPECT_EQ(lookup.guess(0), Tokens{});
}

TEST(Generate, AChatReusesItsCacheAndSaysTheSame) {
  const auto model = open_model(tiny("qwen3"), {.exact = true});
  GenerateOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = 8;
  options.ignore_eos = true;
  Session chat(model);
  std::vector<int32_t> prompt{1, 2, 3, 4, 5};
  const auto first = chat.generate(prompt, options);
  prompt.insert(prompt.end(), first.tokens.begin(), first.tokens.end());
  prompt.insert(prompt.end(), {7, 8, 9});
  const auto second = chat.generate(prompt, options);
  EXPECT_EQ(second.timings.reused_tokens, 12);
  EXPECT_EQ(second.tokens, Session(model).generate(prompt, options).tokens);
}

TEST(Perplexity, OfAFlatModelIsItsVocabulary) {
  Fixture f("");
  // Equal logits but for one token that the text never holds.
  const std::vector<int32_t> text{1, 2, 3, 4, 5, 6, 7};
  const auto model = open_model(tiny("qwen2"), {.exact = true});
  std::optional<array> first;
  const auto r = perplexity(*model, text, {.context = 4, .on_first_logits = [&](const array& logits) {
                                             EXPECT_FALSE(first.has_value());
                                             first = logits;
                                           }});
  EXPECT_EQ(r.tokens, 5);  // 3 of the first window, 2 of the second
  EXPECT_EQ(r.windows, 2);
  EXPECT_NEAR(r.perplexity, std::exp(r.nll), 1e-9 * r.perplexity);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->shape(), (Shape{4, 288}));
  // The sum by hand.
  const auto cache = model->network->make_cache();
  const auto rows =
      model->network->forward(std::span(text).first(4), *cache, LogitRows::all).to_vector<float>();
  EXPECT_EQ(rows, first->to_vector<float>());
  const auto cache2 = model->network->make_cache();
  const auto rest =
      model->network->forward(std::span(text).subspan(4), *cache2, LogitRows::all).to_vector<float>();
  const auto nll = [](const std::vector<float>& logits, size_t row, int32_t token) {
    double sum = 0;
    for (size_t i = 0; i < 288; ++i) sum += std::exp(static_cast<double>(logits[row * 288 + i]));
    return std::log(sum) - static_cast<double>(logits[row * 288 + static_cast<size_t>(token)]);
  };
  const double total =
      nll(rows, 0, 2) + nll(rows, 1, 3) + nll(rows, 2, 4) + nll(rest, 0, 6) + nll(rest, 1, 7);
  EXPECT_NEAR(r.nll, total / 5, 1e-6);
}

TEST(Perplexity, RefusesWhatCannotBeScored) {
  const auto model = open_model(tiny("qwen2"));
  const std::vector<int32_t> one{1}, two{1, 2};
  EXPECT_THROW(perplexity(*model, one), Error);
  EXPECT_THROW(perplexity(*model, two, {.context = 1}), Error);
  EXPECT_THROW(perplexity(*model, two, {.context = 257}), Error);
  std::atomic<bool> cancel{true};
  try {
    perplexity(*model, two, {.context = 8, .cancel = &cancel});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kCancelled);
  }
}

TEST(Bench, CountsAndLimits) {
  const auto model = open_model(tiny("qwen2"));
  const auto r = bench(*model, {.prompt = 16, .gen = 4, .depth = 8, .batch = 3});
  EXPECT_GT(r.prefill_tok_s, 0);
  EXPECT_GT(r.decode_tok_s, 0);
  EXPECT_EQ(r.weight_bytes_per_token, model->network->weight_bytes_per_token());
  EXPECT_GT(r.kv_bytes, 0);
  EXPECT_THROW(bench(*model, {.prompt = 250, .gen = 7}), Error);
  EXPECT_THROW(bench(*model, {.prompt = -1}), Error);
  EXPECT_THROW(bench(*model, {.prompt = 1, .gen = -1}), Error);
  EXPECT_THROW(bench(*model, {.prompt = 1, .gen = 1, .depth = -1}), Error);
  EXPECT_THROW(bench(*model, {.prompt = 1, .gen = 1, .batch = 0}), Error);
  EXPECT_THROW(bench(*model, {.prompt = 1, .gen = 1, .batch = 1025}), Error);
}

}  // namespace
}  // namespace uma
