// stft and istft of ops/fft.h.
#include <algorithm>

#include "ops/cast.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/fft.h"
#include "ops/indexing.h"
#include "ops/shape.h"

namespace uma::fft {
namespace {

struct Frames {
  int64_t n_fft, hop;
  array window;  // n_fft, float32
};

Frames frames_of(int64_t n_fft, const StftOptions& o, std::string_view op) {
  check(n_fft > 0, ErrorCode::kInvalidArgument, op, "needs frames of one sample or more, not {}", n_fft);
  const int64_t hop = o.hop_length.value_or(std::max<int64_t>(1, n_fft / 4));
  check(hop > 0, ErrorCode::kInvalidArgument, op, "needs a hop of one sample or more, not {}", hop);
  const int64_t length = o.win_length.value_or(n_fft);
  array window = o.window ? astype(*o.window, DType::float32) : ones({std::max<int64_t>(0, length)});
  check(window.ndim() == 1, ErrorCode::kShape, op, "takes a window of one dimension, not of shape {}",
        window.shape());
  const int64_t w = window.shape(0);
  check(w > 0 && w <= n_fft && length > 0, ErrorCode::kInvalidArgument, op,
        "needs a window of 1 to {} samples, not {}", n_fft, w);
  if (w < n_fft) {
    const int64_t left = (n_fft - w) / 2;
    window = concatenate({zeros({left}), window, zeros({n_fft - w - left})});
  }
  return {n_fft, hop, window};
}

// Positions of the samples of all frames, (frames, n_fft).
array positions(int64_t frames, const Frames& f) {
  std::vector<int64_t> starts(static_cast<size_t>(frames));
  for (int64_t i = 0; i < frames; ++i) starts[static_cast<size_t>(i)] = i * f.hop;
  return array(std::span<const int64_t>(starts), {frames, 1}) +
         reshape(arange(0, static_cast<double>(f.n_fft), 1, DType::int64), {1, f.n_fft});
}

array padded(const array& x, int64_t by, std::string_view mode) {
  const int64_t n = x.shape(-1);
  const int axis = static_cast<int>(x.ndim()) - 1;
  if (mode == "constant") {
    Shape shape = x.shape();
    shape.back() = by;
    const array none = zeros(shape, x.dtype());
    return concatenate({none, x, none}, axis);
  }
  check(mode == "reflect" || mode == "edge", ErrorCode::kInvalidArgument, "stft",
        "knows the paddings reflect, constant and edge, not {}", mode);
  check(n > 0, ErrorCode::kShape, "stft", "cannot pad an empty array");
  std::vector<int64_t> at(static_cast<size_t>(n + 2 * by));
  for (int64_t i = 0; i < n + 2 * by; ++i) {
    int64_t from = i - by;
    if (mode == "edge") {
      from = std::clamp<int64_t>(from, 0, n - 1);
    } else if (const int64_t period = 2 * (n - 1); period > 0) {  // as often as it takes
      from = ((from % period) + period) % period;
      from = std::min(from, period - from);
    } else {
      from = 0;
    }
    at[static_cast<size_t>(i)] = from;
  }
  return take(x, array(std::span<const int64_t>(at), {n + 2 * by}), axis);
}

}  // namespace

array stft(const array& x, int64_t n_fft, const StftOptions& o) {
  check(x.ndim() > 0, ErrorCode::kShape, "stft", "takes no 0-d array");
  const Frames f = frames_of(n_fft, o, "stft");
  const bool complex = x.dtype() == DType::complex64;
  const array signal = o.center ? padded(x, n_fft / 2, o.pad_mode) : x;
  const int64_t samples = signal.shape(-1);
  check(samples >= n_fft, ErrorCode::kShape, "stft", "{} samples are less than a frame of {}", samples,
        n_fft);
  const array at = positions((samples - n_fft) / f.hop + 1, f);
  const array frames =
      take(astype(signal, complex ? DType::complex64 : DType::float32), at, static_cast<int>(x.ndim()) - 1) *
      f.window;
  const bool onesided = o.onesided.value_or(!complex);
  return swapaxes(onesided ? rfft(frames, {}, -1, o.norm) : fft(frames, {}, -1, o.norm), -1, -2);
}

array istft(const array& z, std::optional<int64_t> n_fft, const StftOptions& o,
            std::optional<int64_t> length) {
  check(z.ndim() > 1, ErrorCode::kShape, "istft", "takes frequencies and frames, not shape {}", z.shape());
  const bool onesided = o.onesided.value_or(true);
  const int64_t bins = z.shape(-2), count = z.shape(-1);
  const Frames f = frames_of(n_fft.value_or(onesided ? 2 * (bins - 1) : bins), o, "istft");
  check(count > 0, ErrorCode::kShape, "istft", "needs a frame, not shape {}", z.shape());
  check(!length || *length >= 0, ErrorCode::kInvalidArgument, "istft", "cannot give {} samples",
        length.value_or(0));
  const array columns = swapaxes(z, -1, -2);
  const array frames =
      (onesided ? irfft(columns, f.n_fft, -1, o.norm) : real(ifft(columns, f.n_fft, -1, o.norm))) * f.window;
  const array at = flatten(positions(count, f));
  const int64_t total = f.n_fft + f.hop * (count - 1);
  const int axis = static_cast<int>(z.ndim()) - 2;
  Shape shape = frames.shape();
  shape.pop_back();
  shape.back() = total;
  const array sum = scatter_add(zeros(shape), at, flatten(frames, axis, axis + 1), axis);
  const array squares = flatten(broadcast_to(square(f.window), {count, f.n_fft}));
  const array weight = scatter_add(zeros({total}), at, squares, 0);
  array out = sum / where(greater(weight, array(1e-11f)), weight, ones_like(weight));
  const int64_t cut = o.center ? f.n_fft / 2 : 0;
  const int64_t have = total - 2 * cut, keep = length ? std::min(*length, total - cut) : have;
  check(have >= 0, ErrorCode::kShape, "istft", "the frames cover no sample beyond the padding");
  out = slice_axis(out, axis, cut, cut + keep);
  if (length && keep < *length) {
    shape.back() = *length - keep;
    out = concatenate({out, zeros(shape)}, axis);
  }
  return out;
}

}  // namespace uma::fft
