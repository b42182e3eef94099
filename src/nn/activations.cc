#include "nn/activations.h"

#include <cmath>
#include <numbers>

#include "ops/creation.h"
#include "ops/indexing.h"
#include "ops/operators.h"
#include "ops/reduce.h"

namespace uma::nn {

array relu(const array& x) {
  return maximum(x, 0);
}
array relu2(const array& x) {
  return square(maximum(x, 0));
}
array relu6(const array& x) {
  return minimum(maximum(x, 0), 6);
}
array leaky_relu(const array& x, double negative_slope) {
  return maximum(negative_slope * x, x);
}
array prelu(const array& x, const array& alpha) {
  return maximum(x, 0) + alpha * minimum(x, 0);
}
array elu(const array& x, double alpha) {
  return where(x > 0, x, alpha * (exp(x) - 1));
}
array celu(const array& x, double alpha) {
  return maximum(x, 0) + alpha * (exp(minimum(x, 0) / alpha) - 1);
}
array selu(const array& x) {
  return elu(x, 1.67326) * 1.0507;
}
array log_softmax(const array& x, int axis) {
  return x - logsumexp(x, {axis}, true);
}
array softmin(const array& x, int axis) {
  return softmax(-x, axis);
}
array softplus(const array& x) {
  return logaddexp(x, weak(0, x));
}
array log_sigmoid(const array& x) {
  return -softplus(-x);
}
array softsign(const array& x) {
  return x / (1 + abs(x));
}
array softshrink(const array& x, double lambd) {
  return where(abs(x) > lambd, x - sign(x) * lambd, 0);
}
array hard_shrink(const array& x, double lambd) {
  return where(abs(x) > lambd, x, 0);
}
array hard_tanh(const array& x, double min_val, double max_val) {
  return minimum(maximum(x, min_val), max_val);
}
array hardswish(const array& x) {
  return x * clip(x + 3, 0, 6) / 6;
}
array silu(const array& x) {
  return x * sigmoid(x);
}
array mish(const array& x) {
  return x * tanh(softplus(x));
}
array gelu(const array& x) {
  return x * (1 + erf(x / std::numbers::sqrt2)) / 2;
}
array gelu_approx(const array& x) {
  return 0.5 * x * (1 + tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * power(x, 3))));
}
array gelu_fast_approx(const array& x) {
  return x * sigmoid(1.702 * x);
}
array glu(const array& x, int axis) {
  const std::vector<array> halves = split(x, 2, axis);
  return halves[0] * sigmoid(halves[1]);
}
array step(const array& x, double threshold) {
  return where(x >= threshold, array(1), array(0));
}

PReLU::PReLU(int64_t num_parameters, double init) {
  add("weight", full({num_parameters}, init));
}

GELU::GELU(std::string_view approx) {
  constexpr std::pair<std::string_view, array (*)(const array&)> kForms[] = {
      {"none", gelu}, {"precise", gelu_approx}, {"tanh", gelu_approx}, {"fast", gelu_fast_approx}};
  function_ = nullptr;
  for (const auto& [name, function] : kForms)
    if (name == approx) function_ = function;
  check(function_ != nullptr, ErrorCode::kInvalidArgument, "GELU",
        "approx must be none, precise, tanh or fast, not {}", approx);
}

}  // namespace uma::nn
