// The submodule uma.core.fft.
#include "ops/fft.h"

#include "bind.h"

namespace uma::python {
namespace {

using Sizes = fft::Sizes;
using FftAxes = fft::FftAxes;
using One = array (*)(const array&, std::optional<int64_t>, int, fft::Norm);
using Many = array (*)(const array&, const Sizes&, const FftAxes&, fft::Norm);

void def_one(Module& m, const char* name, One f, const char* doc) {
  m.def(
      name,
      [f](const array& a, std::optional<int64_t> n, int axis, const std::string& norm, const StreamArg& s) {
        StreamScope scope(s);
        return f(a, n, axis, fft::norm_from_name(norm));
      },
      "a"_a, "n"_a.none() = nb::none(), "axis"_a = -1, "norm"_a = "backward", "stream"_a = nb::none(), doc);
}

void def_many(Module& m, const char* name, Many f, const FftAxes& axes, const char* doc) {
  m.def(
      name,
      [f](const array& a, const Sizes& s, const FftAxes& axes, const std::string& norm,
          const StreamArg& stream) {
        StreamScope scope(stream);
        return f(a, s, axes, fft::norm_from_name(norm));
      },
      "a"_a, "s"_a.none() = nb::none(), "axes"_a.none() = axes, "norm"_a = "backward",
      "stream"_a = nb::none(), doc);
}

void def_shift(Module& m, const char* name, array (*f)(const array&, const FftAxes&), const char* doc) {
  m.def(
      name,
      [f](const array& a, const AxesArg& axes, const StreamArg& s) {
        StreamScope scope(s);
        if (const auto* axis = std::get_if<int>(&axes)) return f(a, std::vector<int>{*axis});
        if (const auto* list = std::get_if<std::vector<int>>(&axes)) return f(a, *list);
        return f(a, {});
      },
      "a"_a, "axes"_a.none() = nb::none(), "stream"_a = nb::none(), doc);
}

void bind_stft(Module& m) {
  using Length = std::optional<int64_t>;
  m.def(
      "stft",
      [](const array& x, int64_t n_fft, Length hop, Length win, const std::optional<array>& window,
         bool center, const std::string& pad_mode, const std::string& norm, std::optional<bool> onesided,
         const StreamArg& s) {
        StreamScope scope(s);
        return fft::stft(x, n_fft, {hop, win, window, center, pad_mode, fft::norm_from_name(norm), onesided});
      },
      "x"_a, "n_fft"_a = 2048, "hop_length"_a.none() = nb::none(), "win_length"_a.none() = nb::none(),
      "window"_a.none() = nb::none(), "center"_a = true, "pad_mode"_a = "reflect", "norm"_a = "backward",
      "onesided"_a.none() = nb::none(), "stream"_a = nb::none(),
      "Transforms of windows: (..., time) to (..., frequencies, frames).");
  m.def(
      "istft",
      [](const array& z, Length n_fft, Length hop, Length win, const std::optional<array>& window,
         bool center, const std::string& norm, std::optional<bool> onesided, Length length,
         const StreamArg& s) {
        StreamScope scope(s);
        return fft::istft(z, n_fft, {hop, win, window, center, "", fft::norm_from_name(norm), onesided},
                          length);
      },
      "stft_matrix"_a, "n_fft"_a.none() = nb::none(), "hop_length"_a.none() = nb::none(),
      "win_length"_a.none() = nb::none(), "window"_a.none() = nb::none(), "center"_a = true,
      "norm"_a = "backward", "onesided"_a.none() = nb::none(), "length"_a.none() = nb::none(),
      "stream"_a = nb::none(), "The inverse of stft.");
}

}  // namespace

void bind_fft(Module& m) {
  Module f = m.def_submodule("fft", "Discrete Fourier transforms.");
  nb::module_::import_("sys").attr("modules")[nb::str("uma.core.fft")] = f;
  def_one(f, "fft", &fft::fft, "Along an axis, cut or padded with zeros to n elements.");
  def_one(f, "ifft", &fft::ifft, "The inverse of fft.");
  def_one(f, "rfft", &fft::rfft, "Of real numbers: the first n // 2 + 1 frequencies.");
  def_one(f, "irfft", &fft::irfft, "The inverse of rfft: n real numbers.");
  const FftAxes two = std::vector<int>{-2, -1};
  def_many(f, "fft2", &fft::fftn, two, "Along two axes.");
  def_many(f, "ifft2", &fft::ifftn, two, "The inverse of fft2.");
  def_many(f, "rfft2", &fft::rfftn, two, "Of real numbers along two axes.");
  def_many(f, "irfft2", &fft::irfftn, two, "The inverse of rfft2.");
  def_many(f, "fftn", &fft::fftn, {}, "Along several axes.");
  def_many(f, "ifftn", &fft::ifftn, {}, "The inverse of fftn.");
  def_many(f, "rfftn", &fft::rfftn, {}, "Of real numbers along several axes.");
  def_many(f, "irfftn", &fft::irfftn, {}, "The inverse of rfftn.");
  def_shift(f, "fftshift", &fft::fftshift, "The zero frequency to the middle.");
  def_shift(f, "ifftshift", &fft::ifftshift, "The inverse of fftshift.");
  const auto def_freq = [&](const char* name, array (*g)(int64_t, double), const char* doc) {
    f.def(
        name,
        [g](int64_t n, double d, const StreamArg& s) {
          StreamScope scope(s);
          return g(n, d);
        },
        "n"_a, "d"_a = 1.0, "stream"_a = nb::none(), doc);
  };
  def_freq("fftfreq", &fft::fftfreq, "Frequencies of fft's results, for samples d apart.");
  def_freq("rfftfreq", &fft::rfftfreq, "Frequencies of rfft's results.");
  bind_stft(f);
}

}  // namespace uma::python
