#pragma once
// Discrete Fourier transforms of any length, along one axis or several. Results are complex64, or float32 for
// the inverse of a real transform; what goes in is converted to these.
#include <optional>
#include <string_view>
#include <vector>

#include "core/array.h"
#include "core/op.h"

namespace uma::fft {

/// Who divides: the inverse by n, both by sqrt(n), the forward transform by n.
enum class Norm : uint8_t { backward, ortho, forward };
/// throws InvalidArgument for another name
Norm norm_from_name(std::string_view name);

// n: the axis is cut to so many elements, or zeros are put behind it; default: all. All below: error  grows
// as sqrt(log n), about 3e-7 of the largest value for n = 2^20. throws  InvalidArgument for an axis out of
// range or a length below 1; DType for float64, for which there is no complex dtype

array fft(const array& a, std::optional<int64_t> n = {}, int axis = -1, Norm norm = Norm::backward);
array ifft(const array& a, std::optional<int64_t> n = {}, int axis = -1, Norm norm = Norm::backward);
/// Of real numbers: the n/2 + 1 first frequencies, which hold all.
array rfft(const array& a, std::optional<int64_t> n = {}, int axis = -1, Norm norm = Norm::backward);
/// The inverse: n real numbers, default 2 (m - 1) of m frequencies.
array irfft(const array& a, std::optional<int64_t> n = {}, int axis = -1, Norm norm = Norm::backward);

using Sizes = std::optional<std::vector<int64_t>>;
using FftAxes = std::optional<std::vector<int>>;
/// Over several axes; default all. The real ones are real along the last of them. throws InvalidArgument for
/// sizes without axes or of another number, for axes that repeat
array fftn(const array& a, const Sizes& s = {}, const FftAxes& axes = {}, Norm norm = Norm::backward);
array ifftn(const array& a, const Sizes& s = {}, const FftAxes& axes = {}, Norm norm = Norm::backward);
array rfftn(const array& a, const Sizes& s = {}, const FftAxes& axes = {}, Norm norm = Norm::backward);
array irfftn(const array& a, const Sizes& s = {}, const FftAxes& axes = {}, Norm norm = Norm::backward);

/// Frequencies of the results of fft and rfft, for samples d apart. throws InvalidArgument for n < 1, d = 0
array fftfreq(int64_t n, double d = 1);
array rfftfreq(int64_t n, double d = 1);
/// The zero frequency to the middle, and back.
array fftshift(const array& a, const FftAxes& axes = {});
array ifftshift(const array& a, const FftAxes& axes = {});

struct StftOptions {
  std::optional<int64_t> hop_length;      // n_fft / 4
  std::optional<int64_t> win_length;      // n_fft
  std::optional<array> window;            // ones; shorter ones are centred in n_fft
  bool center = true;                     // frame i is centred at i hop_length
  std::string_view pad_mode = "reflect";  // or "constant", "edge": what is beyond the ends
  Norm norm = Norm::backward;
  std::optional<bool> onesided;  // default: for real input
};
/// Transforms of windows: (..., time) -> (..., frequencies, frames). throws InvalidArgument, Shape
array stft(const array& x, int64_t n_fft = 2048, const StftOptions& options = {});
/// The inverse, by overlap and add, divided by the sum of the squared windows.
/// n_fft: default what a one-sided transform of so many frequencies had; length: cut, or zeros added.
array istft(const array& z, std::optional<int64_t> n_fft = {}, const StftOptions& options = {},
            std::optional<int64_t> length = {});

enum class Kind : uint8_t { forward, inverse, real, inverse_real };
struct FftParams {
  Kind kind;
  int axis;   // the last one for the real kinds
  int64_t n;  // points of the transform
  double scale;
};

std::vector<array> fft_vjp(const Node&, std::span<const array>, std::span<const array>, std::span<const int>);
std::vector<array> fft_jvp(const Node&, std::span<const array>, std::span<const array>, std::span<const int>);
std::pair<std::vector<array>, std::vector<int>> fft_vmap(const Node&, std::span<const array>,
                                                         std::span<const int>);

}  // namespace uma::fft

namespace uma {

inline constexpr OpInfo kFft{.name = "fft",
                             .args = "a",
                             .doc = "Fourier transform along an axis.",
                             .dtype = DTypeRule::custom,
                             .vjp = fft::fft_vjp,
                             .jvp = fft::fft_jvp,
                             .vmap = fft::fft_vmap};

}  // namespace uma
