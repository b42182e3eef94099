#pragma once
// A text as one vector: the mean of what the model's last layer, after its norm, makes of each token,
// divided by its length (L2).
#include <cstdint>
#include <vector>

namespace uma {

class MeanPool {
 public:
  /// Adds rows of (rows, width) f32.
  void add(const float* rows, int64_t count, int64_t width);
  void clear() { sum_.clear(); }
  /// The direction of the mean; zeros where the mean is zero. Throws InvalidArgument where a number is not
  /// finite: the model's weights are broken.
  std::vector<float> normalised() const;

 private:
  std::vector<double> sum_;  // the mean has the same direction
};

/// Divides by the L2 norm; leaves zeros.
void normalise(std::vector<float>& vector);

}  // namespace uma
