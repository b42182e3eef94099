#include "fast/gated_delta.h"

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/manipulate.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma {
namespace {

constexpr std::string_view kName = kGatedDelta.name;

void check_shapes(const array& q, const array& k, const array& v, const array& gamma, const array& beta) {
  check(q.ndim() == 4 && k.shape() == q.shape(), ErrorCode::kShape, kName,
        "q and k need one shape (B, T, Hk, Dk), and have {} and {}", q.shape(), k.shape());
  const int64_t batch = q.shape(0), tokens = q.shape(1), heads = q.shape(2);
  check(v.ndim() == 4 && v.shape(0) == batch && v.shape(1) == tokens && heads > 0 && v.shape(2) % heads == 0,
        ErrorCode::kShape, kName, "v of shape {} does not fit keys of shape {}", v.shape(), k.shape());
  const Shape scalars{batch, tokens, v.shape(2)}, columns{batch, tokens, v.shape(2), q.shape(3)};
  check(gamma.shape() == scalars || gamma.shape() == columns, ErrorCode::kShape, kName,
        "gamma of shape {} is neither {} nor {}", gamma.shape(), scalars, columns);
  check(beta.shape() == scalars, ErrorCode::kShape, kName, "beta of shape {} is not {}", beta.shape(),
        scalars);
}

/// The op itself, of inputs in one dtype.
std::vector<array> make(std::vector<array> inputs) {
  const Shape out = inputs[2].shape(), state = inputs[5].shape();
  const DType dtype = inputs[0].dtype();
  return array::make_many({{out, dtype, {}}, {state, dtype, {}}},
                          std::make_shared<Node>(kGatedDelta, default_stream(), std::move(inputs)));
}

}  // namespace

std::pair<array, array> gated_delta_update(const array& q, const array& k, const array& v, const array& gamma,
                                           const array& beta, const std::optional<array>& state,
                                           const std::optional<array>& mask) {
  check_shapes(q, k, v, gamma, beta);
  const Shape held{q.shape(0), v.shape(2), v.shape(3), q.shape(3)};
  check(!state || state->shape() == held, ErrorCode::kShape, kName, "a state of shape {} is not {}",
        state ? state->shape() : held, held);
  const DType dtype = promote(promote(q.dtype(), k.dtype()), v.dtype());
  std::vector<array> inputs{q, k, v, gamma, beta};
  DType wide = DType::float32;
  for (const array& x : inputs) {
    check(x.dtype() != DType::complex64, ErrorCode::kDType, kName, "takes real numbers, not complex64");
    if (x.dtype() == DType::float64) wide = DType::float64;
  }
  check(is_floating(dtype), ErrorCode::kDType, kName, "takes floats, and q, k and v promote to {}",
        name_of(dtype));
  inputs.push_back(state ? *state : zeros(held, wide));
  for (array& x : inputs) x = astype(x, wide);
  if (mask) {
    const Shape steps{q.shape(0), q.shape(1)};
    check(mask->dtype() == DType::bool_, ErrorCode::kDType, kName, "takes a mask of bool, not {}",
          name_of(mask->dtype()));
    check(mask->shape() == steps, ErrorCode::kShape, kName, "a mask of shape {} is not {}", mask->shape(),
          steps);
    // A step that forgets nothing and corrects by nothing; what it would read may be anything, NaN as well.
    const array zero(0.0, wide), one(1.0, wide), seen = expand_dims(*mask, {-1});
    const auto kept = [&](const array& x, const array& otherwise) {
      return where(x.ndim() == 4 ? expand_dims(seen, {-1}) : seen, x, otherwise);
    };
    for (size_t i = 0; i < 5; ++i) inputs[i] = kept(inputs[i], i == 3 ? one : zero);
  }
  const std::vector<array> results = make(std::move(inputs));
  return {astype(results[0], dtype), results[1]};
}

std::vector<array> gated_delta_fallback(const Node&, std::span<const array> inputs) {
  const int64_t heads = inputs[2].shape(2), groups = heads / inputs[0].shape(2);
  const array q = repeat(inputs[0], groups, 2), k = repeat(inputs[1], groups, 2);
  const array v = expand_dims(inputs[2], {-1});
  const array gamma = expand_dims(inputs[3], {3}), beta = expand_dims(inputs[4], {-1, -2});
  const auto at = [](const array& x, int64_t t) { return squeeze(slice_axis(x, 1, t, t + 1), {1}); };
  array state = inputs[5];
  std::vector<array> out;
  for (int64_t t = 0; t < q.shape(1); ++t) {
    const array key = expand_dims(at(k, t), {2});
    const array factor = at(gamma, t);  // (B, Hv, 1) or (B, Hv, 1, Dk)
    state = state * (factor.ndim() == 3 ? expand_dims(factor, {-1}) : factor);
    const array error = at(v, t) - sum(state * key, {-1}, true);
    state = state + error * at(beta, t) * key;
    out.push_back(sum(state * expand_dims(at(q, t), {2}), {-1}));
  }
  return {out.empty() ? zeros(inputs[2].shape(), inputs[2].dtype()) : stack(out, 1), state};
}

std::pair<std::vector<array>, std::vector<int>> gated_delta_vmap(const Node&, std::span<const array> inputs,
                                                                 std::span<const int> axes) {
  // One more batch axis is a longer one.
  std::vector<array> moved = batch_first(inputs, axes);
  const Shape batches{moved[0].shape(0), moved[0].shape(1)};
  for (array& x : moved) {
    Shape shape(x.shape().begin() + 1, x.shape().end());
    shape[0] = batches[0] * batches[1];
    x = reshape(x, shape);
  }
  std::vector<array> out = make(std::move(moved));
  for (array& x : out) x = unflatten(x, 0, batches);
  return {out, {0, 0}};
}

}  // namespace uma
