#pragma once
#include <optional>
#include <utility>

#include "core/array.h"

namespace uma::infer {

/// How keys and values are stored: float16, bfloat16 or float32; uint8: rows of quantize_kv.
struct KVTypes {
  DType keys = DType::float16, values = DType::float16;
};

/// Keys and values of the tokens seen so far, for one attention layer. Memory is taken in steps and
/// written in place: a decode step copies one token, whatever the length.
class KVCache {
 public:
  /// Throws DType for types that are none of these.
  explicit KVCache(KVTypes types = {});
  explicit KVCache(DType both) : KVCache(KVTypes{both, both}) {}

  /// Appends k and v, (1, Hkv, T, D) and (1, Hkv, T, Dv) of any float dtype, and returns views of all
  /// tokens, (1, Hkv, offset() + T, D) and (..., Dv), as they are stored. Throws Shape where
  /// they do not fit each other or the earlier ones.
  std::pair<array, array> update_and_fetch(const array& k, const array& v);

  /// Tokens held: the position of the next one.
  int64_t offset() const { return offset_; }
  /// Tokens that fit before memory is taken again.
  int64_t capacity() const { return capacity_; }
  /// Takes memory for `tokens` tokens at the next update at the latest, so that a known length costs one
  /// allocation. Throws InvalidArgument if negative.
  void reserve(int64_t tokens);
  /// Forgets the last n tokens (all, if n is larger) and returns how many it forgot. Throws InvalidArgument
  /// for a negative n.
  int64_t trim(int64_t n);
  /// Bytes of keys and values that are allocated.
  int64_t nbytes() const;
  const KVTypes& types() const { return types_; }

  /// The arrays behind the views, (1, Hkv, capacity, D); nothing before the first update. For eval().
  const std::optional<array>& keys() const { return keys_; }
  const std::optional<array>& values() const { return values_; }

 private:
  void grow(const array& k, const array& v, int64_t needed);

  KVTypes types_;
  int64_t offset_ = 0, capacity_ = 0, reserved_ = 0;
  std::optional<array> keys_, values_;
};

}  // namespace uma::infer
