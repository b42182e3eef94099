#include "fast/activation.h"

#include "ops/cast.h"
#include "ops/elementwise.h"

namespace uma {
namespace {

array gated(const array& gate, const array& up, const OpInfo& op) {
  check(gate.shape() == up.shape(), ErrorCode::kShape, op.name, "gate has shape {} and up has {}",
        gate.shape(), up.shape());
  check(is_floating(gate.dtype()) && gate.dtype() == up.dtype(), ErrorCode::kDType, op.name,
        "takes two arrays of one float dtype, not {} and {}", name_of(gate.dtype()), name_of(up.dtype()));
  return array::make(gate.shape(), gate.dtype(), op, {gate, up});
}

// The composition in f32 (f64 for f64).
template <class F>
std::vector<array> in_accumulator(std::span<const array> inputs, F f) {
  const DType dtype = inputs[0].dtype();
  const DType wide = dtype == DType::float64 ? dtype : DType::float32;
  return {astype(f(astype(inputs[0], wide), astype(inputs[1], wide)), dtype)};
}

}  // namespace

array silu_mul(const array& gate, const array& up) {
  return gated(gate, up, kSiluMul);
}

array gelu_tanh_mul(const array& gate, const array& up) {
  return gated(gate, up, kGeluTanhMul);
}

std::vector<array> silu_mul_fallback(const Node&, std::span<const array> inputs) {
  return in_accumulator(
      inputs, [](const array& g, const array& up) { return multiply(multiply(g, sigmoid(g)), up); });
}

std::vector<array> gelu_tanh_mul_fallback(const Node&, std::span<const array> inputs) {
  return in_accumulator(inputs, [](const array& g, const array& up) {
    const auto scalar = [&](double v) { return array(v, g.dtype()); };
    const array slope = add(scalar(1.5957691216057308), multiply(scalar(0.0713548162726), square(g)));
    return multiply(multiply(g, sigmoid(multiply(g, slope))), up);
  });
}

}  // namespace uma
