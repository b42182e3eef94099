#include "infer/norm.h"

#include "fast/layer_norm.h"
#include "fast/rms_norm.h"

namespace uma::infer {

array RMSNorm::operator()(const array& x) const {
  return rms_norm(x, weight, eps);
}

array LayerNorm::operator()(const array& x) const {
  return layer_norm(x, weight, bias, eps);
}

}  // namespace uma::infer
