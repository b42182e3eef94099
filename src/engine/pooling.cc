#include "engine/pooling.h"

#include <cmath>

#include "base/error.h"

namespace uma {
namespace {

template <class T>
double length_of(const std::vector<T>& vector) {
  double squares = 0;
  for (const T x : vector) squares += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(squares);
}

}  // namespace

void MeanPool::add(const float* rows, int64_t count, int64_t width) {
  sum_.resize(static_cast<size_t>(width));
  for (int64_t i = 0; i < count; ++i)
    for (size_t k = 0; k < sum_.size(); ++k) sum_[k] += static_cast<double>(*rows++);
}

std::vector<float> MeanPool::normalised() const {
  const double length = length_of(sum_);
  check(std::isfinite(length), ErrorCode::kInvalidArgument, "embed",
        "the states hold numbers that are not finite: the model's weights are broken");
  std::vector<float> result;
  result.reserve(sum_.size());
  for (const double x : sum_) result.push_back(static_cast<float>(length > 0 ? x / length : 0));
  return result;
}

void normalise(std::vector<float>& vector) {
  const double length = length_of(vector);
  if (length == 0) return;
  for (float& x : vector) x = static_cast<float>(static_cast<double>(x) / length);
}

}  // namespace uma
