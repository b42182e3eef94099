#include "ops/random.h"

#include <chrono>
#include <cmath>
#include <numbers>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/linalg.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/search.h"
#include "ops/shape.h"
#include "ops/sort.h"

namespace uma::random {
namespace {

// The largest float32 below 1.
constexpr float kBelowOne = 0x1.fffffep-1f;

array& thread_state() {
  static const auto start = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                                      std::chrono::system_clock::now().time_since_epoch())
                                                      .count());
  thread_local array state = key(start);
  return state;
}

array checked_key(const Key& given) {
  const array k = given ? *given : next_key();
  check(k.dtype() == DType::uint32, ErrorCode::kDType, "random", "takes a key of uint32, not of {}",
        name_of(k.dtype()));
  check(k.shape() == Shape{2}, ErrorCode::kShape, "random", "takes a key of shape (2), not {}", k.shape());
  return k;
}

void check_shape(const Shape& shape) {
  for (const int64_t extent : shape)
    check(extent >= 0, ErrorCode::kShape, "random", "shape {} has a negative extent", shape);
}

void check_broadcasts(const Shape& from, const Shape& shape, std::string_view op) {
  check(broadcast_shapes(from, shape, op) == shape, ErrorCode::kShape, op,
        "parameters of shape {} do not broadcast to shape {}", from, shape);
}

void check_float(DType dtype, std::string_view op) {
  check(is_floating(dtype), ErrorCode::kDType, op, "draws real floats, not {}", name_of(dtype));
}

array uniform_f32(float low, float range, const Shape& shape, const Key& key) {
  check_shape(shape);
  return array::make(shape, DType::float32, kRandomUniform, UniformParams{shape, low, range},
                     {checked_key(key)});
}

// 27 and 26 bits of two words.
array unit_f64(const Shape& shape, const Key& key) {
  Shape pairs = shape, first(shape.size() + 1, 0);
  pairs.push_back(2);
  const array words = bits(pairs, 4, key);
  const auto word = [&](int64_t i) {
    Shape from = first, to = pairs;
    from.back() = i;
    to.back() = i + 1;
    return squeeze(slice(words, from, to), {-1});
  };
  const auto shifted = [](const array& w, uint32_t n) {
    return astype(right_shift(w, array(n, DType::uint32)), DType::float64);
  };
  return (shifted(word(0), 5) * 0x1p26 + shifted(word(1), 6)) * 0x1p-53;
}

// In [0, 1). Halves must not be rounded up to 1.
array unit(const Shape& shape, DType dtype, const Key& key) {
  check_shape(shape);
  if (dtype == DType::float64) return unit_f64(shape, key);
  const array u = uniform_f32(0, 1, shape, key);
  if (dtype == DType::float32) return u;
  const float top = dtype == DType::float16 ? 0x1.ffcp-1f : 0x1.fep-1f;
  return astype(minimum(u, array(top)), dtype);
}

// In (-1, 1), float32.
array symmetric(const Shape& shape, const Key& key) {
  return uniform_f32(-kBelowOne, 1 + kBelowOne, shape, key);
}

array complex_normal(const Shape& shape, const Key& key) {
  Shape pairs = shape;
  pairs.push_back(2);
  const array parts =
      normal(pairs, DType::float32, {}, array(static_cast<float>(std::numbers::sqrt2 / 2)), key);
  Shape from(pairs.size(), 0), to = pairs;
  to.back() = 1;
  const array re = squeeze(slice(parts, from, to), {-1});
  from.back() = 1;
  to.back() = 2;
  return make_complex(re, squeeze(slice(parts, from, to), {-1}));
}

array categorical_over(const array& logits, int axis, const Shape& shape, const Key& key) {
  const auto offset = axis + static_cast<int64_t>(shape.size()) - static_cast<int64_t>(logits.ndim()) + 1;
  Shape all = shape;
  all.insert(all.begin() + offset, logits.shape(axis));
  return argmax(gumbel(all, DType::float32, key) + logits, static_cast<int>(offset), false);
}

// Draws from one distribution: a uniform number each, looked up in its cumulative sums.
array categorical_of_one(const array& logits, const Shape& shape, const Key& key) {
  const array x = astype(flatten(logits), DType::float32);
  const int64_t n = x.size();
  const array sums = cumsum(exp(x - max(x)), 0);
  const array drawn = uniform(shape, DType::float32, key) * slice(sums, {n - 1}, {n});
  // Rounded up to the whole sum, it would lie beyond the last.
  return minimum(searchsorted(sums, drawn, "right"), array(static_cast<uint32_t>(n - 1)));
}

// As in MLX, which takes the Gumbel way for a vector and a single draw all the same.
array draw_categorical(const array& logits, int axis, const Shape& shape, const Key& key) {
  const bool one = logits.size() == logits.shape(axis) && logits.size() > 0 && !shape.empty();
  return one ? categorical_of_one(logits, shape, key) : categorical_over(logits, axis, shape, key);
}

}  // namespace

array key(uint64_t seed) {
  return array({static_cast<uint32_t>(seed >> 32), static_cast<uint32_t>(seed)}, Shape{2});
}

array split(const array& key, int64_t num) {
  return bits({num, 2}, 4, key);
}

void seed(uint64_t seed) {
  thread_state() = key(seed);
}
array state() {
  return thread_state();
}
void set_state(const array& key) {
  thread_state() = checked_key(key);
}
array next_key() {
  const array both = split(thread_state());
  thread_state() = squeeze(slice_axis(both, 0, 0, 1), {0});
  return squeeze(slice_axis(both, 0, 1, 2), {0});
}

array bits(const Shape& shape, int width, const Key& key) {
  check(width == 1 || width == 2 || width == 4, ErrorCode::kInvalidArgument, "bits",
        "gives words of 1, 2 or 4 bytes, not {}", width);
  check_shape(shape);
  const DType d = width == 1 ? DType::uint8 : width == 2 ? DType::uint16 : DType::uint32;
  return array::make(shape, d, kRandomBits, BitsParams{shape, width}, {checked_key(key)});
}

array uniform(double low, double high, const Shape& shape, DType dtype, const Key& key) {
  check_float(dtype, "uniform");
  if (dtype != DType::float32) return uniform(array(low, dtype), array(high, dtype), shape, dtype, key);
  const float from = static_cast<float>(low);
  return uniform_f32(from, static_cast<float>(high) - from, shape, key);
}

array uniform(const array& low, const array& high, const Shape& shape, DType dtype, const Key& key) {
  check_float(dtype, "uniform");
  const array from = astype(low, dtype), range = astype(high, dtype) - from;
  check_shape(shape);
  check_broadcasts(range.shape(), shape, "uniform");
  return range * unit(shape, dtype, key) + from;
}

array uniform(const Shape& shape, DType dtype, const Key& key) {
  check_float(dtype, "uniform");
  return unit(shape, dtype, key);
}

array normal(const Shape& shape, DType dtype, const std::optional<array>& loc,
             const std::optional<array>& scale, const Key& key) {
  check(is_inexact(dtype), ErrorCode::kDType, "normal", "draws floats or complex64, not {}", name_of(dtype));
  check_shape(shape);
  array z =
      dtype == DType::complex64
          ? complex_normal(shape, key)
          : astype(array::make(shape, DType::float32, kRandomNormal, NormalParams{shape}, {checked_key(key)}),
                   dtype);
  if (scale) z = z * astype(*scale, dtype);
  if (loc) z = z + astype(*loc, dtype);
  return z;
}

array truncated_normal(const array& lower, const array& upper, const std::optional<Shape>& shape, DType dtype,
                       const Key& key) {
  check_float(dtype, "truncated_normal");
  const array root(std::numbers::sqrt2, dtype), lo = astype(lower, dtype), hi = astype(upper, dtype);
  const array a = erf(lo / root), b = erf(hi / root);
  const Shape out = shape ? *shape : broadcast_shapes(a.shape(), b.shape(), "truncated_normal");
  const array z = root * erfinv(uniform(a, b, out, dtype, key));
  return maximum(minimum(hi, z), lo);  // rounding may leave the interval
}

array multivariate_normal(const array& mean, const array& cov, const Shape& shape, DType dtype,
                          const Key& key) {
  constexpr std::string_view op = "multivariate_normal";
  check(dtype == DType::float32, ErrorCode::kDType, op, "draws float32, not {}", name_of(dtype));
  check(mean.ndim() >= 1 && cov.ndim() >= 2, ErrorCode::kShape, op,
        "takes a vector and a matrix, not shapes {} and {}", mean.shape(), cov.shape());
  const int64_t n = mean.shape(-1);
  check(cov.shape(-1) == n && cov.shape(-2) == n, ErrorCode::kShape, op,
        "a mean of shape {} does not go with a covariance of shape {}", mean.shape(), cov.shape());
  check_shape(shape);
  Shape out = broadcast_shapes(Shape(mean.shape().begin(), mean.shape().end() - 1),
                               Shape(cov.shape().begin(), cov.shape().end() - 2), op);
  out = broadcast_shapes(out, shape, op);
  out.push_back(n);
  const auto [u, s, vt] = linalg::svd(astype(cov, DType::float32));
  const array root = matmul(u * expand_dims(sqrt(s), {-2}), vt);
  const array z = normal(out, DType::float32, {}, {}, key);
  return mean + squeeze(matmul(expand_dims(z, {-2}), root), {-2});
}

array laplace(const Shape& shape, DType dtype, double loc, double scale, const Key& key) {
  check_float(dtype, "laplace");
  const array u = symmetric(shape, key);
  array x = astype(sign(u) * log1p(negative(abs(u))), dtype);
  if (scale != 1) x = x * array(scale, dtype);
  if (loc != 0) x = x + array(loc, dtype);
  return x;
}

array gumbel(const Shape& shape, DType dtype, const Key& key) {
  return negative(log(negative(log(uniform(shape, dtype, key)))));
}

array bernoulli(const array& p, const std::optional<Shape>& shape, const Key& key) {
  check_float(p.dtype(), "bernoulli");
  const Shape out = shape ? *shape : p.shape();
  check_shape(out);
  check_broadcasts(p.shape(), out, "bernoulli");
  return less(uniform(out, p.dtype() == DType::float64 ? DType::float64 : DType::float32, key), p);
}

array randint(const array& low, const array& high, const Shape& shape, DType dtype, const Key& key) {
  check(is_integral(dtype), ErrorCode::kDType, "randint", "draws integers or bools, not {}", name_of(dtype));
  const array u = uniform(low, high, shape, DType::float32, key);
  const DType d = dtype == DType::bool_ ? DType::int32 : dtype;
  // A narrow integer takes the low bits of what it cannot hold.
  const array n = astype(size_of(d) < 4 ? astype(floor(u), DType::int32) : floor(u), d),
              last = astype(high, d) - array(1, d);
  return astype(maximum(minimum(n, last), astype(low, d)), dtype);
}

array categorical(const array& logits, int axis, const std::optional<Shape>& shape, const Key& key) {
  axis = normalize_axis(axis, logits.ndim(), "categorical");
  Shape reduced = logits.shape();
  reduced.erase(reduced.begin() + axis);
  if (shape) check_broadcasts(reduced, *shape, "categorical");
  return draw_categorical(logits, axis, shape ? *shape : reduced, key);
}

array categorical_samples(const array& logits, int axis, int64_t num_samples, const Key& key) {
  axis = normalize_axis(axis, logits.ndim(), "categorical");
  Shape shape = logits.shape();
  shape.erase(shape.begin() + axis);
  shape.push_back(num_samples);
  return draw_categorical(expand_dims(logits, {-1}), axis, shape, key);
}

array permutation(int64_t n, const Key& key) {
  return argsort(bits({n}, 4, key), 0);
}

array permutation(const array& x, int axis, const Key& key) {
  axis = normalize_axis(axis, x.ndim(), "permutation");
  return take(x, permutation(x.shape(axis), key), axis);
}

std::pair<std::vector<array>, std::vector<int>> draw_vmap(const Node& node, std::span<const array> inputs,
                                                          std::span<const int> axes) {
  const array keys = moveaxis(inputs[0], axes[0], 0);
  Shape shape(keys.shape().begin(), keys.shape().end() - 1);
  const auto over = [&]<class P>(const P& params, DType d) {
    for (const int64_t extent : params.shape) shape.push_back(extent);
    return array::make(shape, d, *node.op, params, {keys}, node.stream);
  };
  if (node.op == &kRandomBits) {
    const auto& p = node.params<BitsParams>();
    return {{over(p, p.width == 1 ? DType::uint8 : p.width == 2 ? DType::uint16 : DType::uint32)}, {0}};
  }
  if (node.op == &kRandomUniform) return {{over(node.params<UniformParams>(), DType::float32)}, {0}};
  return {{over(node.params<NormalParams>(), DType::float32)}, {0}};
}

namespace {

array from_bits(const Shape& one, float low, float range, const array& keys) {
  Shape shape(keys.shape().begin(), keys.shape().end() - 1);
  for (const int64_t extent : one) shape.push_back(extent);
  const array words = array::make(shape, DType::uint32, kRandomBits, BitsParams{one, 4}, {keys});
  const array u = minimum(astype(words, DType::float32) * 0x1p-32, array(kBelowOne));
  return range * u + low;
}

}  // namespace

std::vector<array> uniform_fallback(const Node& node, std::span<const array> inputs) {
  const auto& p = node.params<UniformParams>();
  return {from_bits(p.shape, p.low, p.range, inputs[0])};
}

std::vector<array> normal_fallback(const Node& node, std::span<const array> inputs) {
  const array u = from_bits(node.params<NormalParams>().shape, -kBelowOne, 1 + kBelowOne, inputs[0]);
  return {erfinv(u) * std::numbers::sqrt2};
}

}  // namespace uma::random
