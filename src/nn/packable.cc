#include "nn/packable.h"

#include "fast/qqmm.h"
#include "ops/indexing.h"
#include "ops/matmul.h"
#include "ops/shape.h"

namespace uma::nn {

Packable::Packable(const array& weight, bool table) : packing_(new Packing{.table = table}) {
  add("weight", weight);
  // By way of what they are given: a module that held a handle on itself would never be freed.
  traits().details = [p = packing_](const Module& m) { return Packable(m, p).details(); };
  traits().quantizer = [p = packing_](const Module& m, const Quantization& how) {
    return Packable(m, p).quantizer(how);
  };
}

Packable::Packable(const Module& handle, std::shared_ptr<Packing> packing)
    : Module(handle), packing_(std::move(packing)) {}

array Packable::times_weight(const array& x) const {
  const array& weight = parameter("weight");
  if (!format()) return matmul(x, transpose(weight));
  if (packing_->of_input) return qqmm(x, weight, optional("scales"), *format());
  return quantized_matmul(x, weight, parameter("scales"), optional("biases"), true, *format());
}

array Packable::rows_at(const array& ids) const {
  const array rows = take(parameter("weight"), ids, 0);
  if (!format()) return rows;
  std::optional<array> biases = optional("biases");
  if (biases) biases = take(*biases, ids, 0);
  return dequantize(rows, take(parameter("scales"), ids, 0), biases, *format());
}

std::function<void()> Packable::quantizer(const Quantization& how) const {
  constexpr auto kOp = "quantize";
  const PackedFormat format = PackedFormat::make(how.mode, how.group_size, how.bits);
  const array& weight = parameter("weight");
  if (!how.quantize_input) {
    return [layer = *this, format, parts = uma::quantize(weight, format)]() mutable {
      layer.packing_->format = format;
      layer.never_train(layer.place(parts));
      layer.traits().name = layer.packing_->table ? "QuantizedEmbedding" : "QuantizedLinear";
      layer.traits().quantizer = nullptr;
    };
  }
  check(!packing_->table, ErrorCode::kInvalidArgument, kOp,
        "an embedding has no input to quantize: quantize_input must be false");
  check(format.mode == PackedMode::nvfp4 || format.mode == PackedMode::mxfp8, ErrorCode::kInvalidArgument,
        kOp, "quantized inputs need the mode nvfp4 or mxfp8, not {}", how.mode);
  check(!find("bias"), ErrorCode::kInvalidArgument, kOp,
        "quantized inputs need a layer without a bias, and this one has one");
  check_packable(weight, format, kOp);
  return [layer = *this, format]() mutable {
    layer.packing_->format = format;
    layer.packing_->of_input = true;
    layer.traits().name = "QQLinear";
    layer.traits().quantizer = nullptr;
    layer.traits().on_mode = [p = layer.packing_](const Module& m, bool training) {
      Packable(m, p).follow_mode(training);
    };
    layer.follow_mode(layer.training());
  };
}

std::vector<std::string> Packable::place(const std::vector<array>& parts) {
  std::vector<std::string> names{"weight", "scales", "biases"};
  names.resize(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) add(names[i], parts[i]);
  return names;
}

void Packable::follow_mode(bool training) {
  if (training != is_packed()) return;
  if (!training) {
    place(uma::quantize(parameter("weight"), *format()));
  } else {
    add("weight", dequantize(parameter("weight"), parameter("scales"), {}, *format()));
    remove("scales");
  }
}

std::string Packable::details() const {
  const array& weight = parameter("weight");
  const int64_t rows = weight.shape(0);
  const int64_t columns = is_packed() ? weight.shape(1) * 32 / format()->bits : weight.shape(1);
  std::string text = packing_->table ? fmt::format("{}, {}", rows, columns)
                                     : fmt::format("input_dims={}, output_dims={}", columns, rows);
  // MLX's QQLinear has no bias to speak of.
  if (!packing_->table && !packing_->of_input)
    text += fmt::format(", bias={}", spelled(find("bias") != nullptr));
  if (format())
    text += fmt::format(", group_size={}, bits={}, mode={}", format()->group, format()->bits,
                        name_of(format()->mode));
  return text;
}

}  // namespace uma::nn
