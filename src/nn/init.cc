#include "nn/init.h"

#include <algorithm>
#include <cmath>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/linalg.h"
#include "ops/manipulate.h"
#include "ops/random.h"
#include "ops/sort.h"

namespace uma::nn::init {
namespace {

array normal_of(const Shape& shape, double mean, double std, DType dtype) {
  return random::normal(shape, dtype, array(mean, DType::float32), array(std, DType::float32));
}

void check_matrix(const array& a, std::string_view op) {
  check(a.ndim() == 2, ErrorCode::kShape, op, "needs a matrix, not an array of shape {}", a.shape());
}

struct Fans {
  double in, out;
};
Fans fans_of(const array& a, std::string_view op) {
  check(a.ndim() >= 2, ErrorCode::kShape, op, "needs at least 2 dimensions, not shape {}", a.shape());
  double kernel = 1;
  for (size_t i = 1; i + 1 < a.ndim(); ++i) kernel *= static_cast<double>(a.shape()[i]);
  return {static_cast<double>(a.shape(-1)) * kernel, static_cast<double>(a.shape(0)) * kernel};
}
double fan_of(const array& a, Fan mode, std::string_view op) {
  const Fans fans = fans_of(a, op);
  return mode == Fan::in ? fans.in : fans.out;
}

}  // namespace

Initializer constant(double value, DType dtype) {
  return [=](const array& a) { return full(a.shape(), value, dtype); };
}

Initializer normal(double mean, double std, DType dtype) {
  return [=](const array& a) { return normal_of(a.shape(), mean, std, dtype); };
}

Initializer uniform(double low, double high, DType dtype) {
  return [=](const array& a) { return random::uniform(low, high, a.shape(), dtype); };
}

Initializer identity(DType dtype) {
  return [=](const array& a) {
    check(a.ndim() == 2 && a.shape(0) == a.shape(1), ErrorCode::kShape, "init.identity",
          "needs a square matrix, not an array of shape {}", a.shape());
    return eye(a.shape(0), -1, 0, dtype);
  };
}

Initializer glorot_normal(DType dtype, double gain) {
  return [=](const array& a) {
    const Fans fans = fans_of(a, "init.glorot_normal");
    return normal_of(a.shape(), 0, gain * std::sqrt(2 / (fans.in + fans.out)), dtype);
  };
}

Initializer glorot_uniform(DType dtype, double gain) {
  return [=](const array& a) {
    const Fans fans = fans_of(a, "init.glorot_uniform");
    const double limit = gain * std::sqrt(6 / (fans.in + fans.out));
    return random::uniform(-limit, limit, a.shape(), dtype);
  };
}

Initializer he_normal(DType dtype, Fan mode, double gain) {
  return [=](const array& a) {
    return normal_of(a.shape(), 0, gain / std::sqrt(fan_of(a, mode, "init.he_normal")), dtype);
  };
}

Initializer he_uniform(DType dtype, Fan mode, double gain) {
  return [=](const array& a) {
    const double limit = gain * std::sqrt(3 / fan_of(a, mode, "init.he_uniform"));
    return random::uniform(-limit, limit, a.shape(), dtype);
  };
}

Initializer sparse(double sparsity, double mean, double std, DType dtype) {
  check(sparsity >= 0 && sparsity <= 1, ErrorCode::kInvalidArgument, "init.sparse",
        "sparsity must be in [0, 1], not {}", sparsity);
  return [=](const array& a) {
    check_matrix(a, "init.sparse");
    const int64_t rows = a.shape(0), cols = a.shape(1);
    const auto zeroed = static_cast<int64_t>(std::ceil(sparsity * static_cast<double>(cols)));
    const array order = argsort(random::uniform(Shape{rows, cols}), 1);
    const array values = normal_of(a.shape(), mean, std, dtype);
    return put_along_axis(values, slice_axis(order, 1, 0, zeroed), zeros({1, 1}, dtype), 1);
  };
}

Initializer orthogonal(double gain, DType dtype) {
  return [=](const array& a) {
    check_matrix(a, "init.orthogonal");
    const int64_t rows = a.shape(0), cols = a.shape(1), size = std::max(rows, cols);
    const auto [q, r] = linalg::qr(random::normal({size, size}));
    // The signs of R's diagonal make Q uniform over all rotations (Mezzadri 2007).
    const array rotation = q * sign(diag(r));
    return astype(slice(rotation, {0, 0}, {rows, cols}) * gain, dtype);
  };
}

}  // namespace uma::nn::init
