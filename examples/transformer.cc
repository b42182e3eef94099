// A small transformer that learns to write a text, letter by letter: attention with a causal mask, AdamW with
// a schedule, clipped gradients, sampling.
#include <uma/uma.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace mx = uma;
namespace nn = uma::nn;
namespace optim = uma::optim;

const std::string kText =
    "The miller keeps a brown hen, and the hen keeps an egg under the stair. Each morning the miller looks "
    "under "
    "the stair, and each morning the hen looks at the miller. The river turns the wheel, the wheel turns the "
    "stone, and the stone turns the grain to flour. When the river is low the wheel is still, and the miller "
    "sits with the hen under the stair and waits for the rain. When the rain comes the river is high, the "
    "wheel "
    "turns, and the hen keeps her egg. ";

constexpr int kContext = 48, kBatch = 16, kDims = 64, kHeads = 4, kLayers = 2, kSteps = 150;

struct LanguageModel : nn::Module {
  nn::Embedding tokens, positions;
  nn::TransformerEncoder blocks;
  nn::Linear head;

  explicit LanguageModel(int vocabulary)
      : tokens(add("tokens", nn::Embedding(vocabulary, kDims))),
        positions(add("positions", nn::Embedding(kContext, kDims))),
        blocks(add("blocks", nn::TransformerEncoder(kLayers, kDims, kHeads))),
        head(add("head", nn::Linear(kDims, vocabulary))) {}

  /// ids (N, L) -> logits (N, L, vocabulary)
  mx::array operator()(const mx::array& ids) const {
    const auto length = static_cast<double>(ids.shape(1));
    const mx::array x = tokens(ids) + positions(mx::arange(0, length));
    const mx::array mask = nn::MultiHeadAttention::create_additive_causal_mask(ids.shape(1));
    return head(blocks(x, mask));
  }
};

/// The letters that occur, and texts as positions among them.
struct Alphabet {
  std::string letters;
  explicit Alphabet(std::string text) {
    std::sort(text.begin(), text.end());
    text.erase(std::unique(text.begin(), text.end()), text.end());
    letters = std::move(text);
  }
  mx::array encode(const std::string& text) const {
    std::vector<int32_t> ids;
    for (const char c : text) ids.push_back(static_cast<int32_t>(letters.find(c)));
    return mx::array(std::span<const int32_t>(ids), {static_cast<int64_t>(ids.size())});
  }
};

std::string continued(const LanguageModel& model, const Alphabet& alphabet, std::string text, int letters) {
  for (int i = 0; i < letters; ++i) {
    const std::string seen = text.size() > kContext ? text.substr(text.size() - kContext) : text;
    const mx::array logits = model(mx::expand_dims(alphabet.encode(seen), 0));
    const auto last = static_cast<int64_t>(seen.size()) - 1;
    const mx::array next = mx::random::categorical(mx::slice_axis(logits, 1, last, last + 1) / 0.5);
    text += alphabet.letters[next.item<uint32_t>()];
  }
  return text;
}

int main() {
  mx::random::seed(1);
  const Alphabet alphabet(kText);
  const mx::array data = alphabet.encode(kText);
  LanguageModel model(static_cast<int>(alphabet.letters.size()));

  const optim::Schedule rate = optim::join_schedules(
      {optim::linear_schedule(0, 3e-3, 20), optim::cosine_decay(3e-3, kSteps - 20, 3e-4)}, {20});
  optim::AdamW optimizer(rate, {.weight_decay = 0.01});
  const auto loss_and_grad = nn::value_and_grad(model, [&](const mx::array& x, const mx::array& y) {
    return nn::losses::cross_entropy(model(x), y, {.reduction = nn::losses::Reduce::mean});
  });

  // Windows of the text that begin anywhere, and the same windows one letter on.
  const mx::array last_start = mx::array(static_cast<int>(kText.size()) - kContext);
  const mx::array offsets = mx::arange(0, kContext);
  float final_loss = 0;
  for (int step = 1; step <= kSteps; ++step) {
    const mx::array places = mx::random::randint(mx::array(0), last_start, {kBatch, 1}) + offsets;
    const auto [loss, grads] = loss_and_grad(mx::take(data, places), mx::take(data, places + 1));
    optimizer.update(model, optim::clip_grad_norm(grads, 1.0).first);
    mx::eval(loss, model.parameters(), optimizer.state());
    final_loss = loss.item<float>();
    if (step % 30 == 0) std::printf("step %3d: loss %.3f\n", step, final_loss);
  }

  model.eval();
  std::printf("%s\n", continued(model, alphabet, "The miller ", 120).c_str());
  return final_loss < 0.6f ? 0 : 1;
}
