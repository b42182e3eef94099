// Real models against a plain float32 forward pass of transformers (tools/make_model_goldens.py). The models
// are not in the repository: each test reads where one lies from an environment variable, and is skipped
// without it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "backend/install.h"
#include "engine/generate.h"
#include "text/tokenizer.h"

namespace uma {
namespace {

const bool installed = (install_backends(), true);

struct Case {
  const char* name;
  const char* variable;
  const char* golden;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

class RealModel : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const char* const path = std::getenv(GetParam().variable);
    if (!path || !*path) GTEST_SKIP() << GetParam().variable << " does not say where the model is";
    path_ = path;
    std::ifstream in(std::string(UMA_SOURCE_DIR) + "/tests/golden/models/" + GetParam().golden);
    ASSERT_TRUE(in);
    goldens_ = nlohmann::json::parse(in);
    ASSERT_GE(goldens_.size(), 3u);
  }
  /// The logits after the prompt.
  static std::vector<float> logits_of(const Model& model, const std::vector<int32_t>& prompt) {
    const auto cache = model.network->make_cache();
    return model.network->forward(prompt, *cache).to_vector<float>();
  }

  std::string path_;
  nlohmann::json goldens_;
};

TEST_P(RealModel, ExactGivesTheLogitsAndTheAnswersOfAFloatForwardPass) {
  const auto model = open_model(path_, {.exact = true});
  Session session(model);
  for (const auto& golden : goldens_) {
    const std::string text = golden["text"];
    const auto prompt = golden["prompt"].get<std::vector<int32_t>>();
    EXPECT_EQ(model->vocabulary->tokenizer->encode(text, {.add_special = true}), prompt) << text;

    const auto logits = logits_of(*model, prompt);
    double sum = 0;
    for (const float x : logits) sum += std::exp(static_cast<double>(x));
    EXPECT_NEAR(std::log(sum), golden["logsumexp"].get<double>(), 1e-3) << text;
    for (const auto& entry : golden["top"])
      EXPECT_NEAR(logits.at(entry[0].get<size_t>()), entry[1].get<float>(), 1e-3f) << text;

    GenerateOptions options;
    options.sampling.temperature = 0;
    options.max_tokens = 32;
    options.ignore_eos = true;
    EXPECT_EQ(session.generate(prompt, options).tokens, golden["greedy"].get<std::vector<int32_t>>()) << text;
  }
}

TEST_P(RealModel, QuantizedActivationsStayClose) {
  const auto model = open_model(path_);
  for (const auto& golden : goldens_) {
    const auto logits = logits_of(*model, golden["prompt"].get<std::vector<int32_t>>());
    const double total = golden["logsumexp"].get<double>();
    double sum = 0;
    for (const float x : logits) sum += std::exp(static_cast<double>(x));
    // The part of KL(reference, ours) that comes from the likeliest tokens.
    double kl = 0;
    for (const auto& entry : golden["top"]) {
      const double want = entry[1].get<double>() - total;
      const double got = static_cast<double>(logits.at(entry[0].get<size_t>())) - std::log(sum);
      kl += std::exp(want) * (want - got);
    }
    EXPECT_LT(std::abs(kl), 0.05) << golden["text"];
  }
}

INSTANTIATE_TEST_SUITE_P(Catalogue, RealModel,
                         testing::Values(Case{"gemma3_270m", "UMA_TEST_MODEL_GEMMA3", "gemma3_270m.json"},
                                         Case{"qwen25_coder_05b", "UMA_TEST_MODEL_QWEN25_CODER",
                                              "qwen2.5-coder_0.5b.json"}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace uma
