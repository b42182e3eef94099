// Attention on one tile: the choice between two ways through it.
#include "backend/cpu/attention_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/attention_tile.cc"
#include "backend/cpu/simd_targets.h"

#include <hwy/foreach_target.h>

#include "backend/cpu/attention_few-inl.h"
#include "backend/cpu/attention_many-inl.h"
#include "backend/cpu/simd_dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace uma::cpu {
namespace HWY_NAMESPACE {
namespace {

// Up to this many rows the first way is faster (measured with 7 heads a group, 64 and 128 features).
constexpr int64_t kFewRows = 16;

template <class K, class V>
void attend_typed(const AttentionTile& t) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(DF()));
  const bool whole = t.dim % lanes == 0 && t.value_dim % lanes == 0;
  if (t.rows > kFewRows || !whole) return attend_many<K, V>(t);
  attend_few<K, V>(t);
}

template <class K>
void attend_values(const AttentionTile& t) {
  if (t.v.dtype == DType::uint8) return attend_typed<K, Kv8>(t);
  if (t.v.dtype == DType::float16) return attend_typed<K, float16>(t);
  if (t.v.dtype == DType::bfloat16) return attend_typed<K, bfloat16>(t);
  attend_typed<K, float>(t);
}

void attend(const AttentionTile& t) {
  if (t.k.dtype == DType::uint8) return attend_typed<Kv8, Kv8>(t);
  if (t.k.dtype == DType::float16) return attend_values<float16>(t);
  if (t.k.dtype == DType::bfloat16) return attend_values<bfloat16>(t);
  attend_values<float>(t);
}

}  // namespace
void attend_on_target(const AttentionTile& t) {
  attend(t);
}
}  // namespace HWY_NAMESPACE
}  // namespace uma::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace uma::cpu {
HWY_EXPORT(attend_on_target);

void attend_tile(const AttentionTile& tile) {
  simd_choose(HWY_DISPATCH_TABLE(attend_on_target))(tile);
}
}  // namespace uma::cpu
#endif
