#include "fast/kv8.h"

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/indexing.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "ops/view.h"

namespace uma {
namespace {

constexpr std::string_view kName = "quantize_kv";

Shape with_last(const array& x, std::initializer_list<int64_t> last) {
  Shape shape(x.shape().begin(), x.shape().end() - 1);
  for (const int64_t extent : last) shape.push_back(extent);
  return shape;
}

}  // namespace

array quantize_kv(const array& x) {
  check(x.ndim() > 0 && x.shape(-1) > 0 && x.shape(-1) % 4 == 0, ErrorCode::kShape, kName,
        "8-bit keys and values need a multiple of 4 features, got shape {}", x.shape());
  check(x.dtype() == DType::float32 || x.dtype() == DType::float16 || x.dtype() == DType::bfloat16,
        ErrorCode::kDType, kName, "takes float32, float16 or bfloat16, not {}", name_of(x.dtype()));
  return array::make(with_last(x, {kv8_bytes(x.shape(-1))}), DType::uint8, kQuantizeKv, QuantizeKvParams{},
                     {x});
}

array dequantize_kv(const array& rows) {
  check(rows.dtype() == DType::uint8, ErrorCode::kDType, "dequantize_kv", "takes uint8, not {}",
        name_of(rows.dtype()));
  check(rows.ndim() > 0 && rows.shape(-1) > 0 && rows.shape(-1) % 4 == 0 &&
            kv8_bytes(kv8_features(rows.shape(-1))) == rows.shape(-1),
        ErrorCode::kShape, "dequantize_kv", "no 8-bit row has the last axis of shape {}", rows.shape());
  const int64_t features = kv8_features(rows.shape(-1)), groups = (features + kKv8Group - 1) / kKv8Group;
  const array codes = astype(view(slice_axis(rows, -1, 0, features), DType::int8), DType::float32);
  const array scales = view(contiguous(slice_axis(rows, -1, features, rows.shape(-1))), DType::float32);
  const array each = broadcast_to(expand_dims(scales, {-1}), with_last(rows, {groups, kKv8Group}));
  return multiply(codes, slice_axis(reshape(each, with_last(rows, {groups * kKv8Group})), -1, 0, features));
}

std::vector<array> quantize_kv_fallback(const Node&, std::span<const array> inputs) {
  const array x = astype(inputs[0], DType::float32);
  const int64_t features = x.shape(-1), groups = (features + kKv8Group - 1) / kKv8Group;
  array padded = x;
  if (groups * kKv8Group > features)
    padded = concatenate({x, zeros(with_last(x, {groups * kKv8Group - features}), DType::float32)}, -1);
  const array grouped = reshape(padded, with_last(x, {groups, kKv8Group}));
  const array scales = divide(max(abs(grouped), {-1}, true), array(127.0f));
  const array used = where(equal(scales, array(0.0f)), array(1.0f), scales);
  const array codes = astype(clip(round(divide(grouped, used)), array(-127.0f), array(127.0f)), DType::int8);
  const array flat = slice_axis(reshape(codes, with_last(x, {groups * kKv8Group})), -1, 0, features);
  return {concatenate({view(contiguous(flat), DType::uint8),
                       view(contiguous(reshape(scales, with_last(x, {groups}))), DType::uint8)},
                      -1)};
}

}  // namespace uma
