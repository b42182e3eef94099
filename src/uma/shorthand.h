#pragma once
// Second names, and calls with one axis in place of a list of them: what a program for MLX's C++ API spells.
#include <concepts>
#include <string>

#include "core/eval.h"
#include "nn/module.h"
#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/products.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma {

// Templates, so that {} stays "all axes".
template <std::same_as<int> I>
array sum(const array& x, I axis, bool keepdims = false) {
  return sum(x, Axes{axis}, keepdims);
}
template <std::same_as<int> I>
array prod(const array& x, I axis, bool keepdims = false) {
  return prod(x, Axes{axis}, keepdims);
}
template <std::same_as<int> I>
array max(const array& x, I axis, bool keepdims = false) {
  return max(x, Axes{axis}, keepdims);
}
template <std::same_as<int> I>
array min(const array& x, I axis, bool keepdims = false) {
  return min(x, Axes{axis}, keepdims);
}
template <std::same_as<int> I>
array all(const array& x, I axis, bool keepdims = false) {
  return all(x, Axes{axis}, keepdims);
}
template <std::same_as<int> I>
array any(const array& x, I axis, bool keepdims = false) {
  return any(x, Axes{axis}, keepdims);
}
template <std::same_as<int> I>
array mean(const array& x, I axis, bool keepdims = false) {
  return mean(x, Axes{axis}, keepdims);
}
template <std::same_as<int> I>
array var(const array& x, I axis, bool keepdims = false, int64_t ddof = 0) {
  return var(x, Axes{axis}, keepdims, ddof);
}
template <std::same_as<int> I>
array logsumexp(const array& x, I axis, bool keepdims = false) {
  return logsumexp(x, Axes{axis}, keepdims);
}
template <std::same_as<int> I>
array expand_dims(const array& x, I axis) {
  return expand_dims(x, std::vector<int>{axis});
}
template <std::same_as<int> I>
array squeeze(const array& x, I axis) {
  return squeeze(x, std::vector<int>{axis});
}

inline array concat(const std::vector<array>& arrays, int axis = 0) {
  return concatenate(arrays, axis);
}
inline array permute_dims(const array& x, const std::vector<int>& axes = {}) {
  return transpose(x, axes);
}
/// The last two axes change places.
inline array matrix_transpose(const array& x) {
  return swapaxes(x, -1, -2);
}

// Convolutions with one number for all spatial axes or one an axis, and the same padding on both sides.
struct ConvSizes {
  std::vector<int64_t> stride = {1}, padding = {0}, dilation = {1};
  int64_t groups = 1;
};
array conv1d(const array& input, const array& weight, const ConvSizes& sizes = {});
array conv2d(const array& input, const array& weight, const ConvSizes& sizes = {});
array conv3d(const array& input, const array& weight, const ConvSizes& sizes = {});

/// Computes arrays, lists of them and parameters together: eval(loss, model.parameters(), optimizer.state()).
template <class... T>
requires(sizeof...(T) > 1 || (std::is_same_v<T, nn::Parameters> || ...)) void eval(const T&... what) {
  std::vector<array> all;
  const auto add = [&](const auto& x) {
    using X = std::decay_t<decltype(x)>;
    if constexpr (std::is_same_v<X, array>)
      all.push_back(x);
    else if constexpr (std::is_same_v<X, nn::Parameters>)
      for (const auto& [path, value] : x) all.push_back(value);
    else
      all.insert(all.end(), std::begin(x), std::end(x));
  };
  (add(what), ...);
  eval(std::span<const array>(all));
}

/// Files: .npy holds one array, .safetensors arrays by name. throw Io, NotFound, Format; InvalidArgument for
/// another ending
array load(const std::string& file);
void save(const std::string& file, const array& a);
using Metadata = std::map<std::string, std::string, std::less<>>;
std::pair<nn::Parameters, Metadata> load_safetensors(const std::string& file);
void save_safetensors(const std::string& file, const nn::Parameters& arrays, const Metadata& metadata = {});

}  // namespace uma
