// Keys and values in 8 bits, as attention reads them.
#include "fast/kv8.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/thread_pool.h"
#include "core/kernel.h"

namespace uma::cpu {
namespace {

// Elements a thread must get before it is worth waking.
constexpr int64_t kGrain = 16384;

template <class T>
void quantize_row(const T* x, int64_t features, uint8_t* out) {
  for (int64_t begin = 0, group = 0; begin < features; begin += kKv8Group, ++group) {
    const int64_t n = std::min(kKv8Group, features - begin);
    float values[kKv8Group] = {}, most = 0;
    bool finite = true;
    for (int64_t i = 0; i < n; ++i) values[i] = static_cast<float>(x[begin + i]);
    for (int64_t i = 0; i < kKv8Group; ++i) {
      most = std::max(most, std::fabs(values[i]));
      finite &= std::fabs(values[i]) <= std::numeric_limits<float>::max();
    }
    const float scale = finite ? most / 127.0f : std::numeric_limits<float>::quiet_NaN();
    const float divisor = finite && scale > 0 ? scale : 1.0f;
    int8_t codes[kKv8Group];
    for (int64_t i = 0; i < kKv8Group; ++i) {
      const float code = finite ? std::nearbyint(values[i] / divisor) : 0.0f;
      codes[i] = static_cast<int8_t>(std::clamp(code, -127.0f, 127.0f));
    }
    std::memcpy(out + begin, codes, static_cast<size_t>(n));
    std::memcpy(out + features + group * 4, &scale, 4);
  }
}

void quantize_kv_kernel(KernelArgs& args) {
  array& out = args.allocate();
  const array x = row_contiguous(args.in(0));
  if (out.size() == 0) return;
  const int64_t features = x.shape(-1), bytes = out.shape(-1);
  uint8_t* to = out.mutable_data<uint8_t>();
  dispatch_float(x.dtype(), "quantize_kv", [&]<class T>() {
    const T* from = x.data<T>();
    parallel_ranges(x.size() / features, std::max<int64_t>(1, kGrain / features),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t i = begin; i < end; ++i)
                        quantize_row(from + i * features, features, to + i * bytes);
                    });
  });
}

const bool registered = register_kernel(kQuantizeKv, DeviceType::cpu, quantize_kv_kernel);

}  // namespace
}  // namespace uma::cpu
