#include "nn/upsample.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/indexing.h"
#include "ops/manipulate.h"
#include "ops/operators.h"
#include "ops/shape.h"

// Every mode is separable: along one axis each output is a weighted sum of a few inputs, its taps. So an axis
// is done at a time, and linear and cubic, plain and antialiased, differ only in the taps.
namespace uma::nn {
namespace {

constexpr auto kOp = "Upsample";
constexpr double kMostExtent = 0x1p32;  // positions are uint32
constexpr std::string_view kModes[] = {"nearest", "linear", "cubic"};

double linear_kernel(double x) {
  return std::max(0.0, 1 - std::abs(x));
}

/// Keys' cubic convolution; a = -0.75 is OpenCV's choice, -0.5 Pillow's.
double cubic_kernel(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

/// Where output i lies on the axis of the inputs, whose centres are the integers. The outputs lie 1 / scale
/// apart around the middle of the inputs.
double position_of(int64_t i, int64_t size, int64_t outputs, double scale, bool align_corners) {
  const auto at = static_cast<double>(i), inputs = static_cast<double>(size - 1);
  const auto last = static_cast<double>(outputs - 1);
  if (align_corners) return outputs > 1 ? at * (inputs / last) : 0.0;
  return at / scale - (last / scale - inputs) / 2;
}

/// The inputs of an axis that its outputs are made of: taps rows of `outputs` entries each.
struct Taps {
  int64_t count;
  std::vector<uint32_t> indices;
  std::vector<float> weights;
};

Taps taps_of(int64_t size, int64_t outputs, double scale, const UpsampleOptions& options) {
  const bool linear = options.mode == UpsampleMode::linear, antialias = options.antialias;
  const double radius = linear ? 1 : 2;
  // The filter widens where the signal shrinks, so that nothing above the new Nyquist frequency passes.
  const double stretch = antialias ? std::max(1.0, 1 / scale) : 1.0;
  const double a = antialias ? -0.5 : -0.75;
  Taps taps{static_cast<int64_t>(std::ceil(2 * radius * stretch)) + (antialias ? 1 : 0), {}, {}};
  const auto entries = static_cast<size_t>(taps.count * outputs);
  taps.indices.resize(entries);
  taps.weights.resize(entries);
  std::vector<double> row(static_cast<size_t>(taps.count));
  for (int64_t out = 0; out < outputs; ++out) {
    double position = position_of(out, size, outputs, scale, options.align_corners);
    if (linear && !antialias) position = std::clamp(position, 0.0, static_cast<double>(size - 1));
    const auto first = static_cast<int64_t>(std::floor(position - radius * stretch)) + 1;
    double total = 0;
    for (int64_t t = 0; t < taps.count; ++t) {
      const int64_t in = first + t;
      const double x = (position - static_cast<double>(in)) / stretch;
      double& weight = row[static_cast<size_t>(t)];
      weight = linear ? linear_kernel(x) : cubic_kernel(x, a);
      if (antialias && (in < 0 || in >= size)) weight = 0;
      total += weight;
      taps.indices[static_cast<size_t>(t * outputs + out)] =
          static_cast<uint32_t>(std::clamp<int64_t>(in, 0, size - 1));
    }
    for (int64_t t = 0; t < taps.count; ++t)
      taps.weights[static_cast<size_t>(t * outputs + out)] =
          static_cast<float>(row[static_cast<size_t>(t)] / (antialias ? total : 1));
  }
  return taps;
}

array interpolated(const array& x, int axis, int64_t outputs, double scale, const UpsampleOptions& options) {
  const Taps taps = taps_of(x.shape(axis), outputs, scale, options);
  Shape along(x.ndim(), 1);
  along[static_cast<size_t>(axis)] = outputs;
  const auto tap = [&](int64_t t) {
    const auto part = [&](const auto& all, const Shape& shape) {
      return array(std::span(all).subspan(static_cast<size_t>(t * outputs), static_cast<size_t>(outputs)),
                   shape);
    };
    return take(x, part(taps.indices, {outputs}), axis) * part(taps.weights, along);
  };
  array total = tap(0);
  for (int64_t t = 1; t < taps.count; ++t) total += tap(t);
  return total;
}

/// For each output its input: where it shrinks the first of its share, where it grows the one nearest in
/// centre.
array nearest(const array& x, int axis, int64_t outputs, double scale) {
  // Whole factors are a broadcast.
  if (scale >= 1 && std::floor(scale) == scale) return repeat(x, static_cast<int64_t>(scale), axis);
  const int64_t size = x.shape(axis);
  const array i = arange(0, static_cast<double>(outputs), 1, DType::float32);
  const double step = static_cast<double>(size) / static_cast<double>(outputs);
  const array index = outputs < size ? floor(i * step) : round((i + 0.5) * step - 0.5);
  return take(x, astype(clip(index, 0, static_cast<double>(size - 1)), DType::uint32), axis);
}

}  // namespace

Upsample::Upsample(std::vector<double> scales, bool for_all, const UpsampleOptions& options)
    : scales_(std::move(scales)), for_all_(for_all), options_(options) {
  for (const double scale : scales_)
    check(scale > 0 && std::isfinite(scale), ErrorCode::kInvalidArgument, kOp,
          "a scale must be positive and finite, not {}", scale);
  check(!options.antialias || options.mode != UpsampleMode::nearest, ErrorCode::kInvalidArgument, kOp,
        "antialias needs the mode linear or cubic, not nearest");
  check(!options.antialias || !options.align_corners, ErrorCode::kInvalidArgument, kOp,
        "antialias needs align_corners to be false");
  std::string text;
  for (const double scale : scales_) text += (text.empty() ? "" : ", ") + spelled(scale);
  if (!for_all) text = fmt::format("({}{})", text, scales_.size() == 1 ? "," : "");
  text = fmt::format("scale_factor={}, mode='{}', align_corners={}", text,
                     kModes[static_cast<size_t>(options.mode)], spelled(options.align_corners));
  if (options.antialias) text += ", antialias=True";
  traits().details = [text = std::move(text)](const Module&) { return text; };
}

array Upsample::operator()(const array& given) const {
  check(given.ndim() >= 3, ErrorCode::kShape, kOp, "needs shape (N, ..., C) of at least 3 dimensions, not {}",
        given.shape());
  const size_t axes = given.ndim() - 2;
  check(for_all_ || scales_.size() == axes, ErrorCode::kShape, kOp,
        "has {} scales for the {} spatial axes of shape {}", scales_.size(), axes, given.shape());
  array x = given;
  for (size_t i = 0; i < axes; ++i) {
    const double scale = scales_[for_all_ ? 0 : i];
    const int axis = static_cast<int>(i) + 1;
    const double wanted = scale * static_cast<double>(x.shape(axis));
    check(wanted >= 1 && wanted <= kMostExtent, ErrorCode::kShape, kOp,
          "a scale of {} leaves axis {} of shape {} no size that an array can have", scale, axis,
          given.shape());
    const auto outputs = static_cast<int64_t>(wanted);
    x = options_.mode == UpsampleMode::nearest ? nearest(x, axis, outputs, scale)
                                               : interpolated(x, axis, outputs, scale, options_);
  }
  return x;
}

}  // namespace uma::nn
