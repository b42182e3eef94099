#include "core/print.h"

#include <atomic>
#include <cmath>

#include "core/eval.h"
#include "core/kernel.h"

namespace uma {
namespace {

constexpr int64_t kEdge = 3;   // elements shown at either end of a long axis
constexpr size_t kIndent = 7;  // width of "array(["

std::atomic<PrintOptions> options{PrintOptions{}};

template <class T>
std::string real_text(T value, const PrintOptions& o) {
  const auto v = static_cast<double>(value);
  if (std::isnan(v)) return std::signbit(v) ? "-nan" : "nan";
  return o.fixed ? fmt::format("{:.{}f}", v, o.precision)
                 : fmt::format("{:.{}g}", v, std::max(o.precision, 1));
}

template <class T>
std::string text_of(T value, const PrintOptions& o) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "True" : "False";
  } else if constexpr (std::is_integral_v<T>) {
    return fmt::format("{}", static_cast<std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>(value));
  } else if constexpr (std::is_same_v<T, complex64>) {
    const std::string imaginary = real_text(value.imag(), o);
    return real_text(value.real(), o) + (imaginary[0] == '-' ? "" : "+") + imaginary + "j";
  } else {
    return real_text(static_cast<std::conditional_t<std::is_same_v<T, double>, double, float>>(value), o);
  }
}

template <class T>
struct Printer {
  const Shape& shape;
  const Strides& strides;
  const PrintOptions o;
  std::string out = {};

  void print(const T* at, size_t axis) {
    if (axis == shape.size()) {
      out += text_of<T>(*at, o);
      return;
    }
    const bool last = axis + 1 == shape.size();
    const std::string gap = last ? ", " : ",\n" + std::string(kIndent + axis, ' ');
    const int64_t n = shape[axis];
    out += '[';
    for (int64_t i = 0; i < n; ++i) {
      if (i) out += gap;
      if (n > 2 * kEdge && i == kEdge) {
        out += "..." + gap;
        i = n - kEdge;
      }
      print(at + i * strides[axis], axis + 1);
    }
    out += ']';
  }
};

}  // namespace

void set_print_options(const PrintOptions& o) {
  check(o.precision >= 0 && o.precision <= 17, ErrorCode::kInvalidArgument, "set_printoptions",
        "precision must be 0 to 17, not {}", o.precision);
  options.store(o);
}

PrintOptions print_options() {
  return options.load();
}

std::string to_string(const array& a) {
  a.eval();
  const std::string body = dispatch_all(a.dtype(), [&]<class T>() {
    Printer<T> printer{a.shape(), a.strides(), options.load()};
    printer.print(a.data<T>(), 0);
    return printer.out;
  });
  return fmt::format("array({}, dtype={})", body, name_of(a.dtype()));
}

}  // namespace uma
