#pragma once
// Activation functions, compositions all: evaluation runs an elementwise chain in one pass. Shapes and dtypes
// are those of x (glu halves an axis); integers become float32 where the result has fractions.
#include <string_view>

#include "nn/module.h"
#include "ops/elementwise.h"
#include "ops/softmax.h"

namespace uma::nn {

using uma::sigmoid;
using uma::softmax;
using uma::tanh;

/// max(x, 0), its square, and min(max(x, 0), 6).
array relu(const array& x);
array relu2(const array& x);
array relu6(const array& x);
array leaky_relu(const array& x, double negative_slope = 0.01);
/// max(x, 0) + alpha min(x, 0).
array prelu(const array& x, const array& alpha);
/// x, or alpha (exp(x) - 1) below zero.
array elu(const array& x, double alpha = 1.0);
array celu(const array& x, double alpha = 1.0);
array selu(const array& x);
/// x - log sum exp(x) along an axis.
array log_softmax(const array& x, int axis = -1);
array softmin(const array& x, int axis = -1);
/// log(1 + exp(x)) without overflow; log sigmoid(x) likewise.
array softplus(const array& x);
array log_sigmoid(const array& x);
array softsign(const array& x);
/// x moved towards zero by lambd; x where it is beyond lambd, else 0.
array softshrink(const array& x, double lambd = 0.5);
array hard_shrink(const array& x, double lambd = 0.5);
array hard_tanh(const array& x, double min_val = -1.0, double max_val = 1.0);
array hardswish(const array& x);
/// x sigmoid(x).
array silu(const array& x);
array mish(const array& x);
/// x Phi(x) by erf; by tanh, within 5e-4 on [-6, 6]; as x sigmoid(1.702 x), within 0.015.
array gelu(const array& x);
array gelu_approx(const array& x);
array gelu_fast_approx(const array& x);
/// a sigmoid(b) for the halves of an axis. throws Shape where its extent is odd
array glu(const array& x, int axis = -1);
/// int32: 1 where x >= threshold, else 0.
array step(const array& x, double threshold = 0.0);

/// A function of one array as a module without parameters, for Sequential.
template <array (*F)(const array&)>
struct Activation : Module {
  array operator()(const array& x) const { return F(x); }
};
struct Sigmoid : Activation<static_cast<array (*)(const array&)>(uma::sigmoid)> {};
struct Tanh : Activation<static_cast<array (*)(const array&)>(uma::tanh)> {};
struct ReLU : Activation<relu> {};
struct ReLU2 : Activation<relu2> {};
struct ReLU6 : Activation<relu6> {};
struct SELU : Activation<selu> {};
struct Softplus : Activation<softplus> {};
struct LogSigmoid : Activation<log_sigmoid> {};
struct Softsign : Activation<softsign> {};
struct Hardswish : Activation<hardswish> {};
struct SiLU : Activation<silu> {};
struct Mish : Activation<mish> {};

struct LeakyReLU : Module {
  double negative_slope = 0.01;
  explicit LeakyReLU(double negative_slope = 0.01) : negative_slope(negative_slope) {}
  array operator()(const array& x) const { return leaky_relu(x, negative_slope); }
};
struct ELU : Module {
  double alpha;
  explicit ELU(double alpha = 1.0) : alpha(alpha) {}
  array operator()(const array& x) const { return elu(x, alpha); }
};
struct CELU : Module {
  double alpha;
  explicit CELU(double alpha = 1.0) : alpha(alpha) {}
  array operator()(const array& x) const { return celu(x, alpha); }
};
struct Softmax : Module {
  array operator()(const array& x) const { return softmax(x, -1); }
};
struct LogSoftmax : Module {
  array operator()(const array& x) const { return log_softmax(x, -1); }
};
struct Softmin : Module {
  array operator()(const array& x) const { return softmin(x, -1); }
};
struct Softshrink : Module {
  double lambd;
  explicit Softshrink(double lambd = 0.5) : lambd(lambd) {}
  array operator()(const array& x) const { return softshrink(x, lambd); }
};
struct HardShrink : Module {
  double lambd;
  explicit HardShrink(double lambd = 0.5) : lambd(lambd) {}
  array operator()(const array& x) const { return hard_shrink(x, lambd); }
};
struct HardTanh : Module {
  array operator()(const array& x) const { return hard_tanh(x); }
};
struct GLU : Module {
  int axis;
  explicit GLU(int axis = -1) : axis(axis) {}
  array operator()(const array& x) const { return glu(x, axis); }
};
struct Step : Module {
  double threshold;
  explicit Step(double threshold = 0.0) : threshold(threshold) {}
  array operator()(const array& x) const { return step(x, threshold); }
};
/// prelu with learned slopes: one, or one for each feature of the last axis.
struct PReLU : Module {
  explicit PReLU(int64_t num_parameters = 1, double init = 0.25);
  array operator()(const array& x) const { return prelu(x, parameter("weight")); }
};
/// gelu; approx is "none", "precise" (or "tanh") for gelu_approx, "fast" for gelu_fast_approx. throws
/// InvalidArgument for another
struct GELU : Module {
  explicit GELU(std::string_view approx = "none");
  array operator()(const array& x) const { return function_(x); }

 private:
  array (*function_)(const array&);
};

}  // namespace uma::nn
