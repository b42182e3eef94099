// Linear regression: the gradient of a plain function, no layers.
#include <uma/uma.h>

#include <iostream>

namespace mx = uma;

int main() {
  constexpr int kExamples = 1000, kFeatures = 100, kSteps = 500;
  constexpr double kLearningRate = 0.05;
  mx::random::seed(0);
  const mx::array truth = mx::random::normal({kFeatures});
  const mx::array inputs = mx::random::normal({kExamples, kFeatures});
  const mx::array noise = 1e-2 * mx::random::normal({kExamples});
  const mx::array targets = mx::matmul(inputs, truth) + noise;

  const auto loss = [&](const mx::array& w) {
    return 0.5 * mx::mean(mx::square(mx::matmul(inputs, w) - targets));
  };
  const auto loss_and_grad = mx::value_and_grad(mx::UnaryFunction(loss));

  mx::array w = 1e-2 * mx::random::normal({kFeatures});
  for (int step = 0; step < kSteps; ++step) {
    w -= kLearningRate * loss_and_grad(w).second;
    mx::eval(w);
  }

  const auto final_loss = loss(w).item<float>();
  const auto distance = mx::sqrt(mx::sum(mx::square(w - truth))).item<float>();
  std::cout << "loss " << final_loss << ", |w - truth| " << distance << "\n";
  return final_loss < 1e-4f && distance < 0.02f ? 0 : 1;
}
