// A perceptron that tells ten kinds of noisy 28 x 28 images apart: layers, Adam, batches, weights in a file.
//
//   mlp [FILE]      FILE: where the trained weights go, such as mlp.safetensors
#include <uma/uma.h>

#include <cstdio>
#include <iostream>

namespace mx = uma;
namespace nn = uma::nn;
namespace optim = uma::optim;

constexpr int kClasses = 10, kPixels = 28 * 28, kTraining = 4000, kTest = 1000, kBatch = 100, kEpochs = 4;

struct MLP : nn::Module {
  nn::Linear up = add("up", nn::Linear(kPixels, 64));
  nn::Linear down = add("down", nn::Linear(64, kClasses));

  mx::array operator()(const mx::array& x) const { return down(nn::relu(up(x))); }
};

struct Images {
  mx::array pixels, labels;
};

/// One prototype a class, and examples of it under noise that is six times as strong.
Images make_images(const mx::array& prototypes, int count) {
  const mx::array labels = mx::random::randint(mx::array(0), mx::array(kClasses), {count});
  return {mx::take(prototypes, labels) + 6 * mx::random::normal({count, kPixels}), labels};
}

float accuracy_of(const MLP& model, const Images& images) {
  return mx::mean(mx::argmax(model(images.pixels), 1) == images.labels).item<float>();
}

int main(int argc, char** argv) {
  mx::random::seed(0);
  const mx::array prototypes = mx::random::normal({kClasses, kPixels});
  const Images training = make_images(prototypes, kTraining), test = make_images(prototypes, kTest);
  mx::eval(training.pixels, training.labels, test.pixels, test.labels);

  MLP model;
  optim::Adam optimizer(1e-3);
  const auto loss_and_grad = nn::value_and_grad(model, [&](const mx::array& x, const mx::array& y) {
    return nn::losses::cross_entropy(model(x), y, {.reduction = nn::losses::Reduce::mean});
  });

  float accuracy = 0;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    double total = 0;
    const mx::array order = mx::random::permutation(kTraining);
    for (const mx::array& batch : mx::split(order, kTraining / kBatch)) {
      const auto [loss, grads] =
          loss_and_grad(mx::take(training.pixels, batch), mx::take(training.labels, batch));
      optimizer.update(model, grads);
      mx::eval(loss, model.parameters(), optimizer.state());
      total += loss.item<float>();
    }
    accuracy = accuracy_of(model, test);
    std::printf("epoch %d: loss %.4f, test accuracy %.3f\n", epoch + 1, total * kBatch / kTraining, accuracy);
  }

  if (argc > 1) {
    model.save_weights(argv[1]);
    MLP loaded;
    loaded.load_weights(argv[1]);
    std::cout << "from " << argv[1] << ": " << accuracy_of(loaded, test) << "\n";
  }
  return accuracy > 0.95f ? 0 : 1;
}
