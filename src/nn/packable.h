#pragma once
// What Linear and Embedding share: a matrix that may be quantized.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fast/packed.h"
#include "nn/module.h"

namespace uma::nn {

/// How to quantize. What is not given is the mode's own: affine has groups of 64 with 4 bits, mxfp4 32 with
/// 4, mxfp8 32 with 8, nvfp4 16 with 4.
struct Quantization {
  std::optional<int> group_size = {}, bits = {};
  std::string mode = "affine";
  bool quantize_input = false;  // a Linear then becomes a QQLinear: nvfp4 and mxfp8 only, and no bias
};

/// A module with a matrix `weight` (rows, columns), whole or packed (fast/packed.h). A packed one has
/// `scales` and, in the affine mode, `biases` beside it, under MLX's names, so that files serve both.
///
/// A member of a struct is an nn::Linear for good, and handles on one layer lie in many places. So that a
/// layer is quantized is a state which all its handles share, and not another class: nn::quantize changes it
/// under them, wherever they are. QuantizedLinear, QQLinear and QuantizedEmbedding (nn/quantized.h) are a
/// Linear and an Embedding that begin so.
struct Packable : Module {
  /// How the matrix is packed, or rounded on its way where it is whole (a QQLinear in training); none:
  /// floats.
  const std::optional<PackedFormat>& format() const { return packing_->format; }
  bool is_packed() const { return find("scales") != nullptr; }

 protected:
  /// table: of an Embedding, whose input are positions.
  Packable(const array& weight, bool table);
  /// x weight^T, with the input rounded as well in a QQLinear.
  array times_weight(const array& x) const;
  /// Rows of the matrix, as floats. shapes  ids (...) -> (..., columns)
  array rows_at(const array& ids) const;
  /// Quantizes it now. Throws as nn::quantize.
  void quantize(const Quantization& how) { quantizer(how)(); }

 private:
  struct Packing {
    bool table;
    std::optional<PackedFormat> format = {};
    bool of_input = false;  // of a QQLinear
  };
  Packable(const Module& handle, std::shared_ptr<Packing> packing);
  std::function<void()> quantizer(const Quantization& how) const;
  /// Replaces the whole matrix by what uma::quantize made of it; gives their names.
  std::vector<std::string> place(const std::vector<array>& parts);
  void follow_mode(bool training);
  std::string details() const;

  std::shared_ptr<Packing> packing_;
};

}  // namespace uma::nn
