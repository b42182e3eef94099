// An op of one's own: y_t = x_t + decay * y_{t-1} along the last axis, with a kernel, derivatives and a rule
// for vmap. As a composition it would be a matrix product that is quadratic in the length.
#include <uma/uma.h>

#include <cmath>
#include <iostream>

namespace mx = uma;

struct DecayParams {
  float decay;
  bool reverse;  // from the end to the start
};

mx::array decayed_sum(const mx::array& x, float decay, bool reverse = false);

// The rules. The op is linear, so its tangent is the op itself; and its transpose runs the other way.

std::vector<mx::array> decay_vjp(const mx::Node& node, std::span<const mx::array>,
                                 std::span<const mx::array> cotangents, std::span<const int>) {
  const auto& [decay, reverse] = node.params<DecayParams>();
  return {decayed_sum(cotangents[0], decay, !reverse)};
}

std::vector<mx::array> decay_jvp(const mx::Node& node, std::span<const mx::array>,
                                 std::span<const mx::array> tangents, std::span<const int>) {
  const auto& [decay, reverse] = node.params<DecayParams>();
  return {decayed_sum(tangents[0], decay, reverse)};
}

std::pair<std::vector<mx::array>, std::vector<int>> decay_vmap(const mx::Node& node,
                                                               std::span<const mx::array> inputs,
                                                               std::span<const int> axes) {
  const auto& [decay, reverse] = node.params<DecayParams>();
  return {{decayed_sum(mx::moveaxis(inputs[0], axes[0], 0), decay, reverse)}, {0}};
}

constexpr mx::OpInfo kDecayedSum{.name = "decayed_sum",
                                 .args = "x",
                                 .doc = "Running sum along the last axis that forgets.",
                                 .vjp = decay_vjp,
                                 .jvp = decay_jvp,
                                 .vmap = decay_vmap};

// The function: it checks what it is given, where the caller's mistake is visible, and makes a lazy array.
mx::array decayed_sum(const mx::array& x, float decay, bool reverse) {
  mx::check(x.ndim() >= 1, mx::ErrorCode::kShape, "decayed_sum", "needs at least 1 dimension");
  mx::check(x.dtype() == mx::DType::float32, mx::ErrorCode::kDType, "decayed_sum", "takes float32, not {}",
            mx::name_of(x.dtype()));
  return mx::array::make(x.shape(), x.dtype(), kDecayedSum, DecayParams{decay, reverse}, {x});
}

// The kernel: inputs are ready and may lie in any layout; the output has a shape and no memory yet.
void decay_kernel(mx::KernelArgs& args) {
  const auto& [decay, reverse] = args.params<DecayParams>();
  const mx::array x = mx::row_contiguous(args.in(0));
  float* y = args.allocate().mutable_data<float>();
  const int64_t length = x.shape(-1), rows = length ? x.size() / length : 0;
  for (int64_t row = 0; row < rows; ++row) {
    float sum = 0;
    for (int64_t i = 0; i < length; ++i) {
      const int64_t at = row * length + (reverse ? length - 1 - i : i);
      y[at] = sum = x.data<float>()[at] + decay * sum;
    }
  }
}
const bool kRegistered = mx::register_kernel(kDecayedSum, mx::DeviceType::cpu, decay_kernel);

bool near(const mx::array& a, const mx::array& b) {
  return mx::allclose(a, b, 1e-4, 1e-4).item<bool>();
}

int main() {
  const mx::array x({1.0f, 0.0f, 0.0f, 2.0f});
  std::cout << decayed_sum(x, 0.5f) << "\n";
  bool right = kRegistered && near(decayed_sum(x, 0.5f), mx::array({1.0f, 0.5f, 0.25f, 2.125f}));

  // A gradient through it, against a difference quotient in one direction.
  mx::random::seed(0);
  const mx::array at = mx::random::normal({3, 5}), direction = mx::random::normal({3, 5});
  const mx::UnaryFunction f = [](const mx::array& v) { return mx::sum(mx::square(decayed_sum(v, 0.9f))); };
  const mx::array slope = mx::sum(mx::grad(f)(at) * direction);
  const mx::array quotient = (f(at + 1e-2 * direction) - f(at - 1e-2 * direction)) / 2e-2;
  std::cout << "slope " << slope.item<float>() << ", quotient " << quotient.item<float>() << "\n";
  right =
      right && std::abs(slope.item<float>() - quotient.item<float>()) < 1e-2f * std::abs(slope.item<float>());

  // Over columns by vmap, in a compiled function.
  const mx::UnaryFunction columns =
      mx::compile(mx::vmap(mx::UnaryFunction([](const mx::array& v) { return decayed_sum(v, 0.9f); }), 1, 1));
  right = right && near(columns(at), mx::transpose(decayed_sum(mx::transpose(at), 0.9f)));

  try {
    decayed_sum(mx::array({1, 2, 3}), 0.5f);
    right = false;
  } catch (const mx::Error& error) {
    std::cout << error.what() << "\n";
    right = right && error.code() == mx::ErrorCode::kDType;
  }
  return right ? 0 : 1;
}
