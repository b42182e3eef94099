#include "nn/dropout.h"

#include "ops/elementwise.h"
#include "ops/random.h"

namespace uma::nn {

Dropout::Dropout(std::string_view name, double p, std::vector<int> shared, size_t ndim)
    : name_(name), keep_(1 - p), shared_(std::move(shared)), ndim_(ndim) {
  check(p >= 0 && p < 1, ErrorCode::kInvalidArgument, name, "the probability p must be in [0, 1), not {}", p);
  // Not p: Python computes it back too, and prints what that gives.
  traits().details = [keep = keep_](const Module&) { return "p=" + spelled(1 - keep); };
}

array Dropout::operator()(const array& x) const {
  check(ndim_ == 0 || x.ndim() == ndim_ || x.ndim() + 1 == ndim_, ErrorCode::kShape, name_,
        "needs {} or {} dimensions, not shape {}", ndim_ - 1, ndim_, x.shape());
  if (keep_ == 1 || !training()) return x;
  Shape shape = x.shape();
  for (const int axis : shared_) shape[x.ndim() + static_cast<size_t>(axis)] = 1;
  const array mask = random::bernoulli(array(keep_, DType::float32), shape);
  return (mask * x) * (1 / keep_);
}

}  // namespace uma::nn
