#include "optim/optimizers.h"

#include <algorithm>
#include <cmath>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/matmul.h"
#include "ops/operators.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma::optim {
namespace {

void check_not_negative(std::string_view optimizer, std::string_view name, double value) {
  check(value >= 0, ErrorCode::kInvalidArgument, optimizer, "{} must not be negative, it is {}", name, value);
}

/// The slot, after it has got the new value.
template <class Slots>
const array& put(Slots& slots, const char* name, array value) {
  return slots.insert_or_assign(name, std::move(value)).first->second;
}

array rms(const array& x) {
  return sqrt(mean(square(x)));
}

}  // namespace

SGD::SGD(const Rate& learning_rate, const SGDOptions& options) : Optimizer(learning_rate), o_(options) {
  check(!o_.nesterov || (o_.momentum > 0 && o_.dampening == 0), ErrorCode::kInvalidArgument, "SGD",
        "nesterov needs momentum > 0 and dampening = 0, they are {} and {}", o_.momentum, o_.dampening);
}

void SGD::init_single(const array& parameter, Slots& slots) const {
  put(slots, "v", zeros_like(parameter));
}

array SGD::apply_single(const array& given, const array& parameter, Slots& slots) const {
  const array gradient = o_.weight_decay != 0 ? given + o_.weight_decay * parameter : given;
  const array lr = rate(gradient.dtype());
  if (o_.momentum <= 0) return parameter - lr * gradient;
  const array fresh = o_.dampening > 0 ? (1 - o_.dampening) * gradient : gradient;
  const array& v = put(slots, "v", o_.momentum * slots.at("v") + fresh);
  return parameter - lr * (o_.nesterov ? gradient + o_.momentum * v : v);
}

RMSprop::RMSprop(const Rate& learning_rate, const RMSpropOptions& options)
    : Optimizer(learning_rate), o_(options) {
  check_not_negative("RMSprop", "alpha", o_.alpha);
  check_not_negative("RMSprop", "eps", o_.eps);
}

void RMSprop::init_single(const array& parameter, Slots& slots) const {
  put(slots, "v", zeros_like(parameter));
}

array RMSprop::apply_single(const array& gradient, const array& parameter, Slots& slots) const {
  const array& v = put(slots, "v", o_.alpha * slots.at("v") + (1 - o_.alpha) * square(gradient));
  return parameter - rate(gradient.dtype()) * gradient / (sqrt(v) + o_.eps);
}

Adagrad::Adagrad(const Rate& learning_rate, const AdagradOptions& options)
    : Optimizer(learning_rate), o_(options) {
  check_not_negative("Adagrad", "eps", o_.eps);
}

void Adagrad::init_single(const array& parameter, Slots& slots) const {
  put(slots, "v", zeros_like(parameter));
}

array Adagrad::apply_single(const array& gradient, const array& parameter, Slots& slots) const {
  const array& v = put(slots, "v", slots.at("v") + square(gradient));
  return parameter - rate(gradient.dtype()) * gradient / (sqrt(v) + o_.eps);
}

AdaDelta::AdaDelta(const Rate& learning_rate, const AdaDeltaOptions& options)
    : Optimizer(learning_rate), o_(options) {
  check_not_negative("AdaDelta", "rho", o_.rho);
  check_not_negative("AdaDelta", "eps", o_.eps);
}

void AdaDelta::init_single(const array& parameter, Slots& slots) const {
  put(slots, "v", zeros_like(parameter));
  put(slots, "u", zeros_like(parameter));
}

array AdaDelta::apply_single(const array& gradient, const array& parameter, Slots& slots) const {
  const array& v = put(slots, "v", o_.rho * slots.at("v") + (1 - o_.rho) * square(gradient));
  const array delta = sqrt(slots.at("u") + o_.eps) / sqrt(v + o_.eps) * gradient;
  put(slots, "u", o_.rho * slots.at("u") + (1 - o_.rho) * square(delta));
  return parameter - rate(gradient.dtype()) * delta;
}

void Adam::init_single(const array& parameter, Slots& slots) const {
  put(slots, "m", zeros_like(parameter));
  put(slots, "v", zeros_like(parameter));
}

const array& Adam::first_moment(const array& gradient, Slots& slots) const {
  const double b1 = o_.betas[0];
  return put(slots, "m", b1 * slots.at("m") + (1 - b1) * gradient);
}

array Adam::apply_single(const array& gradient, const array& parameter, Slots& slots) const {
  const auto [b1, b2] = o_.betas;
  const array lr = rate(gradient.dtype());
  const array& m = first_moment(gradient, slots);
  const array& v = put(slots, "v", b2 * slots.at("v") + (1 - b2) * square(gradient));
  if (!o_.bias_correction) return parameter - lr * m / (sqrt(v) + o_.eps);
  const auto powered = [&](double b) { return power(array(b, DType::float32), step()); };
  const array scale = astype(lr / (1 - powered(b1)), gradient.dtype());
  const array root = astype(rsqrt(1 - powered(b2)), gradient.dtype());
  return parameter - scale * m / (sqrt(v) * root + o_.eps);
}

array AdamW::apply_single(const array& gradient, const array& parameter, Slots& slots) const {
  return Adam::apply_single(gradient, parameter * (1 - rate(gradient.dtype()) * decay_), slots);
}

Adamax::Adamax(const Rate& learning_rate, const AdamOptions& options) : Adam(learning_rate, options) {
  check_not_negative("Adamax", "eps", o_.eps);
}

array Adamax::apply_single(const array& gradient, const array& parameter, Slots& slots) const {
  const array& m = first_moment(gradient, slots);
  const array& v = put(slots, "v", maximum(o_.betas[1] * slots.at("v"), abs(gradient)));
  return parameter - rate(gradient.dtype()) * m / (v + o_.eps);
}

void Lion::init_single(const array& parameter, Slots& slots) const {
  put(slots, "m", zeros_like(parameter));
}

array Lion::apply_single(const array& gradient, const array& parameter, Slots& slots) const {
  const auto [b1, b2] = o_.betas;
  const array lr = rate(gradient.dtype());
  const array m = slots.at("m");
  const array direction = sign(b1 * m + (1 - b1) * gradient);
  put(slots, "m", b2 * m + (1 - b2) * gradient);
  const array shrunk = o_.weight_decay > 0 ? (1 - lr * o_.weight_decay) * parameter : parameter;
  return shrunk - lr * direction;
}

Adafactor::Adafactor(const AdafactorOptions& options) : Optimizer(options.learning_rate), o_(options) {
  check(o_.relative_step || o_.learning_rate, ErrorCode::kInvalidArgument, "Adafactor",
        "needs a learning rate where relative_step is false");
}

void Adafactor::init_single(const array& parameter, Slots& slots) const {
  const Shape& shape = parameter.shape();
  if (parameter.ndim() >= 2) {
    Shape row = shape, col = shape;
    row.pop_back();
    col.pop_back();
    col.back() = shape.back();
    put(slots, "exp_avg_sq_row", zeros(row, parameter.dtype()));
    put(slots, "exp_avg_sq_col", zeros(col, parameter.dtype()));
  } else {
    put(slots, "exp_avg_sq", zeros_like(parameter));
  }
  if (o_.beta_1) put(slots, "exp_avg", zeros_like(parameter));
}

array Adafactor::rate_for(const array& parameter) const {
  const auto relative = [&] {
    const array root = rsqrt(step());
    return o_.warmup_init ? minimum(1e-6 * step(), root) : minimum(root, 1e-2);
  };
  const array size = rms(parameter);
  const array lr = astype(o_.relative_step ? relative() : learning_rate(), size.dtype());
  return o_.scale_parameter ? lr * maximum(size, o_.eps[1]) : lr;
}

array Adafactor::apply_single(const array& gradient, const array& parameter, Slots& slots) const {
  const array lr = rate_for(parameter);
  const array decayed = power(astype(step(), DType::float32), o_.decay_rate);
  const array b2 = astype(1 - decayed, parameter.dtype());
  const array squares = square(gradient) + o_.eps[0];
  const auto average = [&](const char* name, const array& value) {
    return put(slots, name, b2 * slots.at(name) + (1 - b2) * value);
  };
  const auto inverse_root = [&] {
    if (gradient.ndim() < 2) return rsqrt(average("exp_avg_sq", squares));
    // 1 / sqrt of the rank-one second moments row col / mean(row).
    const array row = average("exp_avg_sq_row", mean(squares, {-1}));
    const array col = average("exp_avg_sq_col", mean(squares, {-2}));
    return expand_dims(rsqrt(row / mean(row, {-1}, true)), {-1}) * expand_dims(rsqrt(col), {-2});
  };
  array update = inverse_root() * gradient;
  update = lr * (update / maximum(rms(update) / o_.clip_threshold, 1));
  if (o_.beta_1) update = put(slots, "exp_avg", *o_.beta_1 * slots.at("exp_avg") + (1 - *o_.beta_1) * update);
  if (o_.weight_decay != 0) return parameter - (o_.weight_decay * lr) * parameter - update;
  return parameter - update;
}

namespace {

/// The nearest matrix with orthonormal rows or columns, about: a quintic whose iterates draw singular values
/// near 1 fast, with the coefficients of the post.
array orthogonalized(const array& given, int steps) {
  const bool tall = given.shape(-2) > given.shape(-1);
  array x = tall ? transpose(given) : given;
  x = x / (sqrt(sum(square(x), {}, true)) + 1e-7);
  for (int i = 0; i < steps; ++i) {
    const array gram = matmul(x, transpose(x));
    x = 3.4445 * x + matmul(-4.7750 * gram + 2.0315 * matmul(gram, gram), x);
  }
  return tall ? transpose(x) : x;
}

}  // namespace

void Muon::init_single(const array& parameter, Slots& slots) const {
  put(slots, "v", zeros_like(parameter));
}

array Muon::apply_single(const array& given, const array& parameter, Slots& slots) const {
  const double mu = o_.momentum;
  const array gradient = o_.weight_decay != 0 ? given + o_.weight_decay * parameter : given;
  const array& v = put(slots, "v", mu * slots.at("v") + (1 - mu) * gradient);
  const array update = o_.nesterov ? (1 - mu) * gradient + mu * v : v;
  const array lr = rate(gradient.dtype());
  if (update.ndim() < 2) return parameter - lr * update;
  const array matrix = orthogonalized(reshape(update, {update.shape(0), -1}), o_.ns_steps);
  const double aspect = static_cast<double>(matrix.shape(0)) / static_cast<double>(matrix.shape(1));
  return parameter - (lr * std::sqrt(std::max(1.0, aspect))) * reshape(matrix, update.shape());
}

}  // namespace uma::optim
