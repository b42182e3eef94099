#include "fast/cross_entropy.h"

#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma {

array cross_entropy(const array& logits, const array& targets) {
  constexpr std::string_view kName = "cross_entropy";
  check(logits.ndim() >= 1 && logits.shape(-1) > 0, ErrorCode::kShape, kName,
        "needs logits of one class or more, not shape {}", logits.shape());
  check(is_floating(logits.dtype()), ErrorCode::kDType, kName, "takes real floats, not {}",
        name_of(logits.dtype()));
  check(is_integral(targets.dtype()) && targets.dtype() != DType::bool_, ErrorCode::kDType, kName,
        "takes class indices, not {}", name_of(targets.dtype()));
  const Shape wanted(logits.shape().begin(), logits.shape().end() - 1);
  check(targets.shape() == wanted, ErrorCode::kShape, kName,
        "targets of shape {} do not fit logits of shape {}", targets.shape(), logits.shape());
  const array wide = astype(logits, logits.dtype() == DType::float64 ? DType::float64 : DType::float32);
  const array chosen = squeeze(take_along_axis(wide, expand_dims(targets, {-1}), -1), {-1});
  return subtract(logsumexp(wide, {-1}), chosen);
}

}  // namespace uma
