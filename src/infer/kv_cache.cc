#include "infer/kv_cache.h"

#include <algorithm>

#include "fast/kv8.h"
#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/indexing.h"

namespace uma::infer {
namespace {

// Tokens that memory is taken for at once; from 4096 on a quarter of what there is, so that a long chat
// copies each token a few times at most.
constexpr int64_t kStep = 256;
constexpr int64_t kGrowth = 4;

array stored(const array& x, DType dtype) {
  return dtype == DType::uint8 ? quantize_kv(x) : astype(x, dtype);
}

array first_tokens(const array& x, int64_t tokens) {
  return slice(x, {0, 0, 0, 0}, {x.shape(0), x.shape(1), tokens, x.shape(3)});
}

}  // namespace

KVCache::KVCache(KVTypes types) : types_(types) {
  for (const DType dtype : {types.keys, types.values})
    check(dtype == DType::float16 || dtype == DType::bfloat16 || dtype == DType::float32 ||
              dtype == DType::uint8,
          ErrorCode::kDType, "kv_cache", "holds float16, bfloat16, float32 or uint8, not {}", name_of(dtype));
}

std::pair<array, array> KVCache::update_and_fetch(const array& new_keys, const array& new_values) {
  for (const array& x : {new_keys, new_values})
    check(is_floating(x.dtype()), ErrorCode::kDType, "kv_cache", "takes float keys and values, not {}",
          name_of(x.dtype()));
  const array k = stored(new_keys, types_.keys), v = stored(new_values, types_.values);
  const auto fits = [](const array& x, const std::optional<array>& held) {
    return !held || (x.shape(1) == held->shape(1) && x.shape(3) == held->shape(3));
  };
  check(k.ndim() == 4 && v.ndim() == 4 && k.shape(0) == 1 && v.shape(0) == 1 && k.shape(1) == v.shape(1) &&
            k.shape(2) == v.shape(2),
        ErrorCode::kShape, "kv_cache", "takes keys and values (1, heads, tokens, features), not {} and {}",
        k.shape(), v.shape());
  if (!fits(k, keys_) || !fits(v, values_))
    fail(ErrorCode::kShape, "kv_cache", "keys {} and values {} do not fit what it holds, {} and {}",
         k.shape(), v.shape(), keys_->shape(), values_->shape());
  const int64_t end = offset_ + k.shape(2);
  if (end > capacity_ || !keys_ || reserved_ > capacity_) grow(k, v, end);

  const Shape at{0, 0, offset_, 0};
  // The handle is given up before the op runs, so nobody else holds the memory and the op writes in place.
  const auto append = [&](std::optional<array>& held, const array& x) {
    array updated = slice_update(*held, x, at);
    held.emplace(std::move(updated));
  };
  append(keys_, k);
  append(values_, v);
  offset_ = end;
  return {first_tokens(*keys_, end), first_tokens(*values_, end)};
}

void KVCache::grow(const array& k, const array& v, int64_t needed) {
  const int64_t more = std::max(kStep, capacity_ / kGrowth);
  needed = std::max({needed, reserved_, keys_ && needed > capacity_ ? capacity_ + more : 0});
  capacity_ = (needed + kStep - 1) / kStep * kStep;
  const auto enlarge = [&](std::optional<array>& held, const array& like) {
    array bigger = zeros({1, like.shape(1), capacity_, like.shape(3)}, like.dtype());
    if (held && offset_ > 0) bigger = slice_update(bigger, first_tokens(*held, offset_), {0, 0, 0, 0});
    held.emplace(std::move(bigger));
  };
  enlarge(keys_, k);
  enlarge(values_, v);
}

void KVCache::reserve(int64_t tokens) {
  check(tokens >= 0, ErrorCode::kInvalidArgument, "kv_cache", "cannot reserve {} tokens", tokens);
  reserved_ = std::max(reserved_, tokens);
}

int64_t KVCache::trim(int64_t n) {
  check(n >= 0, ErrorCode::kInvalidArgument, "kv_cache", "cannot forget {} tokens", n);
  const int64_t forgotten = std::min(n, offset_);
  offset_ -= forgotten;
  return forgotten;
}

int64_t KVCache::nbytes() const {
  return keys_ ? keys_->nbytes() + values_->nbytes() : 0;
}

}  // namespace uma::infer
