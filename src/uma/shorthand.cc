#include "uma/shorthand.h"

#include "io/npy.h"
#include "io/safetensors.h"

namespace uma {
namespace {

array convolve_over(size_t axes, std::string_view op, const array& input, const array& weight,
                    const ConvSizes& sizes) {
  check(input.ndim() == axes + 2, ErrorCode::kShape, op, "needs an input of {} dimensions, not of shape {}",
        axes + 2, input.shape());
  return conv_general(input, weight,
                      {.stride = sizes.stride,
                       .padding_lo = sizes.padding,
                       .padding_hi = sizes.padding,
                       .kernel_dilation = sizes.dilation,
                       .groups = sizes.groups});
}

void check_ending(std::string_view op, const std::string& file, std::string_view ending) {
  check(file.ends_with(ending), ErrorCode::kInvalidArgument, op, "the file must end in {}, not \"{}\"",
        ending, file);
}

}  // namespace

array conv1d(const array& input, const array& weight, const ConvSizes& sizes) {
  return convolve_over(1, "conv1d", input, weight, sizes);
}
array conv2d(const array& input, const array& weight, const ConvSizes& sizes) {
  return convolve_over(2, "conv2d", input, weight, sizes);
}
array conv3d(const array& input, const array& weight, const ConvSizes& sizes) {
  return convolve_over(3, "conv3d", input, weight, sizes);
}

array load(const std::string& file) {
  check_ending("load", file, ".npy");
  return read_npy(file);
}

void save(const std::string& file, const array& a) {
  check_ending("save", file, ".npy");
  write_npy(file, a);
}

std::pair<nn::Parameters, Metadata> load_safetensors(const std::string& file) {
  const auto opened = SafetensorsFile::open(file);
  nn::Parameters arrays;
  for (const auto& tensor : opened->tensors()) arrays.emplace(tensor.name, opened->load(tensor.name));
  return {std::move(arrays), opened->metadata()};
}

void save_safetensors(const std::string& file, const nn::Parameters& arrays, const Metadata& metadata) {
  check_ending("save_safetensors", file, ".safetensors");
  const std::vector<std::pair<std::string, array>> tensors(arrays.begin(), arrays.end());
  write_safetensors(file, tensors, metadata);
}

}  // namespace uma
