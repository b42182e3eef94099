#pragma once
// The JSON of safetensors files, read strictly: for safetensors.cc.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/shape.h"

namespace uma {

struct SafetensorsHeader {
  struct Tensor {
    std::string name, dtype;
    Shape shape;
    uint64_t begin = 0, end = 0;  // bytes in the data section
  };
  std::vector<Tensor> tensors;
  std::map<std::string, std::string, std::less<>> metadata;
};

/// Throws Format naming `path`: no JSON, not UTF-8, nested deeper than the format goes, a name or a field
/// twice, an unknown or missing field, a number that is none.
SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& path);

/// "weight_map" of an index: tensor -> file. Other fields are passed over. Throws Format as above.
std::map<std::string, std::string, std::less<>> parse_safetensors_index(std::string_view json,
                                                                        const std::string& path);

}  // namespace uma
