#include "ops/conv.h"

#include "ops/manipulate.h"
#include "transforms/testing.h"

namespace uma {
namespace {

using namespace uma::testing;

// Two spatial axes, plainly: input (n, h, w, c), weight (o, kh, kw, c).
std::vector<double> loop(const array& input, const array& weight, const ConvParams& p) {
  const std::vector<double> x = values_of(input), k = values_of(weight);
  const Shape in = input.shape(), kernel = weight.shape(), out = conv_shape(input, weight, p);
  std::vector<double> sums;
  const auto at = [](const Shape& s, int64_t a, int64_t b, int64_t c, int64_t d) {
    return static_cast<size_t>(((a * s[1] + b) * s[2] + c) * s[3] + d);
  };
  for (int64_t n = 0; n < out[0]; ++n)
    for (int64_t h = 0; h < out[1]; ++h)
      for (int64_t w = 0; w < out[2]; ++w)
        for (int64_t o = 0; o < out[3]; ++o) {
          double sum = 0;
          for (int64_t i = 0; i < kernel[1]; ++i)
            for (int64_t j = 0; j < kernel[2]; ++j)
              for (int64_t c = 0; c < kernel[3]; ++c)
                sum += x[at(in, n, h * p.stride[0] + i * p.dilation[0], w * p.stride[1] + j * p.dilation[1],
                            c)] *
                       k[at(kernel, o, i, j, c)];
          sums.push_back(sum);
        }
  return sums;
}

TEST(Conv, WindowsAreReadWhereTheyLie) {
  for (const DType d : {DType::float32, DType::float64, DType::float16, DType::bfloat16})
    for (const int64_t channels : {1, 3, 32})
      for (const int64_t kernels : {1, 8, 40})  // composed below eight
        for (const int64_t step : {1, 2}) {
          SCOPED_TRACE(std::string(name_of(d)) + ", " + std::to_string(channels) + " channels, " +
                       std::to_string(kernels) + " kernels, stride and dilation " + std::to_string(step));
          const ConvParams p{.stride = {step, 1}, .dilation = {1, step}};
          const array plain = random_array({2, 9, 11, channels}, 1, -1, 1, d);
          const array weight = random_array({kernels, 3, 2, channels}, 2, -1, 1, d);
          // Also with channels that do not lie side by side, and rows upside down.
          for (const array& x :
               {plain, moveaxis(contiguous(moveaxis(plain, -1, 1)), 1, -1), flip(plain, {1})}) {
            const array y = correlate(x, weight, p);
            EXPECT_EQ(y.dtype(), d);
            const double near = d == DType::float64   ? 1e-13
                                : d == DType::float32 ? 1e-5
                                : d == DType::float16 ? 2e-2
                                                      : 2e-1;
            expect_near(values_of(y), loop(x, weight, p), 0, near);
          }
        }
}

TEST(Conv, AFewWindowsAndNone) {
  const ConvParams p{.stride = {1, 1}, .dilation = {1, 1}};
  const array weight = random_array({9, 2, 2, 3}, 1);
  for (const Shape& shape : {Shape{1, 2, 2, 3}, Shape{1, 2, 4, 3}, Shape{0, 2, 2, 3}}) {
    const array x = random_array(shape, 2);
    expect_near(values_of(correlate(x, weight, p)), loop(x, weight, p), 0, 1e-13);
  }
}

TEST(Conv, Transformations) {
  const auto f = [](const std::vector<array>& in) {
    return conv_general(in[0], in[1], {.stride = {2}, .padding_lo = {1}, .padding_hi = {1}});
  };
  expect_derivatives(f, {random_array({2, 5, 6, 2}, 1), random_array({8, 3, 2, 2}, 2)});
  expect_vmap(f, {random_array({3, 2, 5, 6, 2}, 1), random_array({8, 3, 2, 2}, 2)}, {0, -1}, 1e-12);
}

}  // namespace
}  // namespace uma
