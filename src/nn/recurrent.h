#pragma once
// Recurrent layers over (N, L, input_size) or (L, input_size). The product of the weights with the input is
// one matrix product for the whole sequence; only the product with the state is done step by step.
#include <functional>
#include <optional>
#include <utility>

#include "nn/module.h"
#include "ops/elementwise.h"

namespace uma::nn {

// All below: start  all weights from U(-k, k) with k = 1 / sqrt(hidden_size); a state that is not given is
// zero. throws  Shape for another input.

/// h' = f(Wxh x + Whh h + bias).
/// shapes  x -> all states (N, L, hidden_size) or (L, hidden_size)
struct RNN : Module {
  using Function = std::function<array(const array&)>;
  RNN(int64_t input_size, int64_t hidden_size, bool bias = true, Function nonlinearity = tanh);
  array operator()(const array& x, std::optional<array> hidden = {}) const;

 private:
  Function nonlinearity_;
};

/// r, z = sigmoid of their parts of Wx x + Wh h + b; n = tanh(Wxn x + bn + r (Whn h + bhn)); h' = (1 - z) n +
/// z h. shapes  x -> all states; Wx and Wh have 3 hidden_size rows in the order r, z, n source  Cho et al.
/// 2014, arXiv:1406.1078, with the reset gate after the product
struct GRU : Module {
  GRU(int64_t input_size, int64_t hidden_size, bool bias = true);
  array operator()(const array& x, std::optional<array> hidden = {}) const;
};

/// i, f, o = sigmoid and g = tanh of their parts of Wx x + Wh h + bias; c' = f c + i g; h' = o tanh(c').
/// shapes  x -> all states and all cells; Wx and Wh have 4 hidden_size rows in the order i, f, g, o
/// source  Hochreiter & Schmidhuber 1997
struct LSTM : Module {
  LSTM(int64_t input_size, int64_t hidden_size, bool bias = true);
  std::pair<array, array> operator()(const array& x, std::optional<array> hidden = {},
                                     std::optional<array> cell = {}) const;
};

}  // namespace uma::nn
