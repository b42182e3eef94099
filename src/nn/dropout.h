#pragma once
#include <vector>

#include "nn/module.h"

namespace uma::nn {

/// Each element zero with probability p in training, and the rest scaled by 1 / (1 - p); nothing in
/// evaluation. throws  InvalidArgument unless 0 <= p < 1    source  Srivastava et al. 2014
struct Dropout : Module {
  explicit Dropout(double p = 0.5) : Dropout("Dropout", p, {}, 0) {}
  array operator()(const array& x) const;

 protected:
  /// shared: axes along which a draw is shared; ndim: of the input, or one less (0: any).
  Dropout(std::string_view name, double p, std::vector<int> shared, size_t ndim);

 private:
  std::string_view name_;
  double keep_;
  std::vector<int> shared_;
  size_t ndim_;
};

/// Whole channels of images (N, H, W, C) or (H, W, C), and of volumes with one axis more. throws Shape for
/// others source  Tompson et al. 2015, arXiv:1411.4280
struct Dropout2d : Dropout {
  explicit Dropout2d(double p = 0.5) : Dropout("Dropout2d", p, {-2, -3}, 4) {}
};
struct Dropout3d : Dropout {
  explicit Dropout3d(double p = 0.5) : Dropout("Dropout3d", p, {-2, -3, -4}, 5) {}
};

}  // namespace uma::nn
