#include "nn/recurrent.h"

#include <cmath>

#include "nn/linear.h"
#include "ops/creation.h"
#include "ops/indexing.h"
#include "ops/matmul.h"
#include "ops/products.h"
#include "ops/shape.h"

namespace uma::nn {
namespace {

/// The bound of the first weights, after the sizes have been checked and kept for printing.
double bound_of(const Module& layer, std::string_view name, int64_t input_size, int64_t hidden_size,
                bool bias) {
  check_positive(name, "input_size", input_size);
  check_positive(name, "hidden_size", hidden_size);
  layer.traits().details = [=](const Module&) {
    return fmt::format("input_dims={}, hidden_size={}, bias={}", input_size, hidden_size, spelled(bias));
  };
  return 1 / std::sqrt(static_cast<double>(hidden_size));
}

/// weight x + bias of the whole sequence.
array inputs_of(std::string_view layer, const array& weight, const array& x, const array* bias) {
  check(x.ndim() >= 2 && x.shape(-1) == weight.shape(1), ErrorCode::kShape, layer,
        "needs (L, {0}) or (N, L, {0}), not shape {1}", weight.shape(1), x.shape());
  const array turned = transpose(weight);
  return bias ? addmm(*bias, x, turned) : matmul(x, turned);
}

array at_step(const array& x, int64_t t) {
  return squeeze(slice_axis(x, -2, t, t + 1), {-2});
}

}  // namespace

RNN::RNN(int64_t input_size, int64_t hidden_size, bool bias, Function nonlinearity)
    : nonlinearity_(std::move(nonlinearity)) {
  const double bound = bound_of(*this, "RNN", input_size, hidden_size, bias);
  add("Wxh", uniform_weights(bound, {hidden_size, input_size}));
  add("Whh", uniform_weights(bound, {hidden_size, hidden_size}));
  if (bias) add("bias", uniform_weights(bound, {hidden_size}));
}

array RNN::operator()(const array& x, std::optional<array> hidden) const {
  const array inputs = inputs_of("RNN", parameter("Wxh"), x, find("bias"));
  const array turned = transpose(parameter("Whh"));
  std::vector<array> states;
  for (int64_t t = 0; t < x.shape(-2); ++t) {
    const array step = at_step(inputs, t);
    hidden = nonlinearity_(hidden ? step + matmul(*hidden, turned) : step);
    states.push_back(*hidden);
  }
  return stack(states, -2);
}

GRU::GRU(int64_t input_size, int64_t hidden_size, bool bias) {
  const double bound = bound_of(*this, "GRU", input_size, hidden_size, bias);
  add("Wx", uniform_weights(bound, {3 * hidden_size, input_size}));
  add("Wh", uniform_weights(bound, {3 * hidden_size, hidden_size}));
  if (!bias) return;
  add("b", uniform_weights(bound, {3 * hidden_size}));
  add("bhn", uniform_weights(bound, {hidden_size}));
}

array GRU::operator()(const array& x, std::optional<array> hidden) const {
  const int64_t size = parameter("Wh").shape(1);
  const auto inputs = split_at(inputs_of("GRU", parameter("Wx"), x, find("b")), {2 * size}, -1);
  const array turned = transpose(parameter("Wh"));
  Shape state = x.shape();
  state.pop_back();
  state.back() = size;
  array h = hidden ? *hidden : zeros(state, inputs[0].dtype());
  std::vector<array> states;
  for (int64_t t = 0; t < x.shape(-2); ++t) {
    const auto from_state = split_at(matmul(h, turned), {2 * size}, -1);
    const array* bhn = find("bhn");
    const array candidate = bhn ? from_state[1] + *bhn : from_state[1];
    const auto gates = split(sigmoid(at_step(inputs[0], t) + from_state[0]), 2, -1);
    const array fresh = tanh(at_step(inputs[1], t) + gates[0] * candidate);
    h = (1 - gates[1]) * fresh + gates[1] * h;
    states.push_back(h);
  }
  return stack(states, -2);
}

LSTM::LSTM(int64_t input_size, int64_t hidden_size, bool bias) {
  const double bound = bound_of(*this, "LSTM", input_size, hidden_size, bias);
  add("Wx", uniform_weights(bound, {4 * hidden_size, input_size}));
  add("Wh", uniform_weights(bound, {4 * hidden_size, hidden_size}));
  if (bias) add("bias", uniform_weights(bound, {4 * hidden_size}));
}

std::pair<array, array> LSTM::operator()(const array& x, std::optional<array> hidden,
                                         std::optional<array> cell) const {
  const array inputs = inputs_of("LSTM", parameter("Wx"), x, find("bias"));
  const array turned = transpose(parameter("Wh"));
  std::vector<array> states, cells;
  for (int64_t t = 0; t < x.shape(-2); ++t) {
    const array step = at_step(inputs, t);
    const auto gates = split(hidden ? step + matmul(*hidden, turned) : step, 4, -1);
    const array fresh = sigmoid(gates[0]) * tanh(gates[2]);
    cell = cell ? sigmoid(gates[1]) * *cell + fresh : fresh;
    hidden = sigmoid(gates[3]) * tanh(*cell);
    states.push_back(*hidden);
    cells.push_back(*cell);
  }
  return {stack(states, -2), stack(cells, -2)};
}

}  // namespace uma::nn
