// The ops on quantized weights: thin covers of quant/qmm.h.
#include "fast/quantized.h"

#include "backend/cpu/quant/qmm.h"
#include "backend/cpu/widen.h"
#include "core/kernel.h"

namespace uma::cpu {
namespace {

void quantized_matmul_kernel(KernelArgs& args) {
  const auto& params = args.params<QuantizedMatmulParams>();
  const size_t n = params.weights.size();
  std::vector<QuantMatrix> weights;
  std::vector<array> data;  // keeps the copies of strided ones
  std::vector<float*> out;
  std::vector<int64_t> ld;
  for (size_t i = 0; i < n; ++i) {
    const auto& w = params.weights[i];
    data.push_back(row_contiguous(args.in(i + 1)));
    weights.push_back({data.back().bytes(), w.format, w.rows, w.cols});
    out.push_back(args.allocate(i).mutable_data<float>());
    ld.push_back(w.rows);
  }
  const array x = as_f32(args.in(0), "quantized_matmul");
  const int64_t cols = params.weights[0].cols;
  const int64_t rows = cols ? x.size() / cols : 0;
  if (rows == 0) return;
  quantized_matmul(x.data<float>(), rows, cols, cols, weights, out, ld, params.exact);
}

void quantized_embedding_kernel(KernelArgs& args) {
  const auto& params = args.params<QuantizedParams>();
  const array data = row_contiguous(args.in(0)), ids = row_contiguous(args.in(1));
  float* out = args.allocate().mutable_data<float>();
  const QuantMatrix matrix{data.bytes(), params.format, params.rows, params.cols};
  decode_rows(matrix, std::span<const int32_t>(ids.data<int32_t>(), static_cast<size_t>(ids.size())), out);
}

void dequantize_kernel(KernelArgs& args) {
  const auto& params = args.params<QuantizedParams>();
  const array data = row_contiguous(args.in(0));
  float* out = args.allocate().mutable_data<float>();
  decode_matrix({data.bytes(), params.format, params.rows, params.cols}, out);
}

const bool registered = register_kernel(kQuantizedMatmul, DeviceType::cpu, quantized_matmul_kernel) &&
                        register_kernel(kQuantizedEmbedding, DeviceType::cpu, quantized_embedding_kernel) &&
                        register_kernel(kDequantize, DeviceType::cpu, dequantize_kernel);

}  // namespace
}  // namespace uma::cpu
