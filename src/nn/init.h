#pragma once
// Initial values. Each function gives one that takes an array and returns a new one of its shape:
//   linear.apply(nn::init::he_normal());
#include <functional>

#include "core/array.h"

namespace uma::nn::init {

using Initializer = std::function<array(const array&)>;
enum class Fan : uint8_t { in, out };

Initializer constant(double value, DType dtype = DType::float32);
/// From N(mean, std^2), and from U(low, high).
Initializer normal(double mean = 0, double std = 1, DType dtype = DType::float32);
Initializer uniform(double low = 0, double high = 1, DType dtype = DType::float32);
/// The identity matrix. throws, when called  Shape unless the array is a square matrix
Initializer identity(DType dtype = DType::float32);

// Of weights (out, kernel..., in), with fan_in = in * kernel and fan_out = out * kernel. throw, when called,
// Shape below 2 dimensions.

/// Deviation gain sqrt(2 / (fan_in + fan_out)); bound gain sqrt(6 / (fan_in + fan_out)).
/// source  Glorot & Bengio 2010
Initializer glorot_normal(DType dtype = DType::float32, double gain = 1);
Initializer glorot_uniform(DType dtype = DType::float32, double gain = 1);
/// Deviation gain / sqrt(fan); bound gain sqrt(3 / fan).  source  He et al. 2015, arXiv:1502.01852
Initializer he_normal(DType dtype = DType::float32, Fan mode = Fan::in, double gain = 1);
Initializer he_uniform(DType dtype = DType::float32, Fan mode = Fan::in, double gain = 1);

/// From N(mean, std^2) with the share `sparsity` of each row zero. throws InvalidArgument for a share outside
/// [0, 1]; when called: Shape unless the array is a matrix
Initializer sparse(double sparsity, double mean = 0, double std = 1, DType dtype = DType::float32);
/// gain times a random matrix with orthonormal rows or columns. throws, when called  Shape unless it is a
/// matrix source  Saxe et al. 2013, arXiv:1312.6120
Initializer orthogonal(double gain = 1, DType dtype = DType::float32);

}  // namespace uma::nn::init
