// Files of the Python package `safetensors` (tools/make_safetensors_goldens.py), our own, and those that
// break the format.
#include "io/safetensors.h"

#include <gtest/gtest.h>

#include "backend/install.h"
#include "io/testing.h"

namespace uma {
namespace {

using namespace testing_files;

const bool installed = (install_backends(), true);

std::string golden(const std::string& name) {
  return std::string(UMA_SOURCE_DIR) + "/tests/golden/safetensors/" + name;
}

// Byte i of the n-th tensor by name, as the script makes it.
std::string golden_bytes(size_t number, const SafetensorsTensor& tensor) {
  std::string bytes;
  for (size_t i = 0; i < tensor.data.size(); ++i)
    bytes += static_cast<char>(tensor.type_name == "BOOL" ? i % 2 : (31 * number + 7 * i) % 251);
  return bytes;
}

std::string bytes_of(const array& a) {
  return {reinterpret_cast<const char*>(a.bytes()), static_cast<size_t>(a.nbytes())};
}

std::string file_of(std::string_view header, std::string_view data) {
  return bytes_of_value<uint64_t>(header.size()) + std::string(header) + std::string(data);
}
std::string tensor_json(std::string_view dtype, std::string_view shape, uint64_t begin, uint64_t end) {
  return fmt::format(R"({{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", dtype, shape, begin, end);
}

class Safetensors : public testing::Test {
 protected:
  std::string error(std::string_view bytes) {
    folder_.write("F", bytes);
    return sentence_of(folder_, [&] { SafetensorsFile::open(folder_.path("F")); });
  }
  // Of a file with one tensor 'a'.
  std::string error(std::string_view dtype, std::string_view shape, uint64_t begin, uint64_t end,
                    size_t data) {
    return error(
        file_of(fmt::format("{{\"a\":{}}}", tensor_json(dtype, shape, begin, end)), std::string(data, '\0')));
  }
  // Of a file with this header and four bytes of data.
  std::string header_error(std::string_view header) { return error(file_of(header, "abcd")); }
  Folder folder_;
};

TEST_F(Safetensors, ReadsWhatThePythonPackageWrites) {
  for (const char* name : {"dtypes.safetensors", "shapes.safetensors"}) {
    const auto file = SafetensorsFile::open(golden(name));
    std::vector<std::string> names;
    for (const SafetensorsTensor& tensor : file->tensors()) names.push_back(tensor.name);
    std::sort(names.begin(), names.end());
    for (size_t i = 0; i < names.size(); ++i) {
      const SafetensorsTensor* const tensor = file->find(names[i]);
      ASSERT_NE(tensor, nullptr);
      const std::string want = golden_bytes(i, *tensor);
      EXPECT_EQ(std::string(tensor->data.begin(), tensor->data.end()), want) << names[i];
      if (!tensor->dtype) continue;
      const array a = file->load(names[i]);
      EXPECT_EQ(a.dtype(), *tensor->dtype);
      EXPECT_EQ(a.shape(), tensor->shape);
      EXPECT_EQ(bytes_of(a), want) << names[i];
    }
  }
}

TEST_F(Safetensors, KnowsEveryDtypeThatArraysHave) {
  const auto file = SafetensorsFile::open(golden("dtypes.safetensors"));
  EXPECT_EQ(file->tensors().size(), 17u);
  const std::pair<const char*, DType> rows[] = {
      {"BOOL", DType::bool_},  {"U8", DType::uint8},     {"U16", DType::uint16},    {"U32", DType::uint32},
      {"U64", DType::uint64},  {"I8", DType::int8},      {"I16", DType::int16},     {"I32", DType::int32},
      {"I64", DType::int64},   {"F16", DType::float16},  {"BF16", DType::bfloat16}, {"F32", DType::float32},
      {"F64", DType::float64}, {"C64", DType::complex64}};
  static_assert(std::size(rows) == kNumDTypes);
  for (const auto& [name, dtype] : rows) EXPECT_EQ(file->load(fmt::format("t.{}", name)).dtype(), dtype);
  for (const char* name : {"F8_E4M3", "F8_E5M2", "F8_E8M0"})
    EXPECT_EQ(sentence_of(folder_, [&] { file->load(fmt::format("t.{}", name)); }),
              fmt::format("[safetensors] {}: tensor 't.{}' has dtype {}, which arrays do not have",
                          golden("dtypes.safetensors"), name, name));
}

TEST_F(Safetensors, ShapesAndMetadata) {
  const auto file = SafetensorsFile::open(golden("shapes.safetensors"));
  EXPECT_EQ(file->load("scalar").shape(), Shape());
  EXPECT_EQ(file->load("empty").shape(), (Shape{0, 4}));
  EXPECT_EQ(file->load("cube").shape(), (Shape{2, 1, 3}));
  ASSERT_EQ(file->metadata().size(), 2u);
  EXPECT_EQ(file->metadata().find("format")->second, "pt");
  EXPECT_EQ(file->metadata().find("made by")->second, "tools \u00e9\n\"quoted\"");
  EXPECT_EQ(file->find("none"), nullptr);
  EXPECT_THROW(file->load("none"), Error);
  EXPECT_EQ(file->load("vector").bytes(), file->find("vector")->data.data());  // a view, not a copy
}

TEST_F(Safetensors, WritesTheBytesThatThePythonPackageWrites) {
  const auto file = SafetensorsFile::open(golden("shapes.safetensors"));
  std::vector<std::pair<std::string, array>> tensors;
  for (const char* name : {"vector", "scalar", "empty", "cube"}) tensors.emplace_back(name, file->load(name));
  write_safetensors(folder_.path("W"), tensors, file->metadata());
  EXPECT_EQ(read_bytes(folder_.path("W")), read_bytes(golden("shapes.safetensors")));
  EXPECT_EQ(folder_.files(), 1u);
}

TEST_F(Safetensors, WhatIsWrittenComesBackAligned) {
  const auto file = SafetensorsFile::open(golden("dtypes.safetensors"));
  std::vector<std::pair<std::string, array>> tensors{
      {"odd", array({uint8_t{1}, uint8_t{2}, uint8_t{3}}, {3})}};
  for (const SafetensorsTensor& t : file->tensors())
    if (t.dtype) tensors.emplace_back(t.name, file->load(t.name));
  write_safetensors(folder_.path("W"), tensors);
  const auto again = SafetensorsFile::open(folder_.path("W"));
  EXPECT_EQ(again->tensors().size(), tensors.size());
  EXPECT_TRUE(again->metadata().empty());
  for (const auto& [name, a] : tensors) {
    const array b = again->load(name);
    EXPECT_EQ(b.dtype(), a.dtype());
    EXPECT_EQ(b.shape(), a.shape());
    EXPECT_EQ(bytes_of(b), bytes_of(a));
    EXPECT_EQ(b.bytes(), again->find(name)->data.data()) << name << " was not aligned";
  }
}

TEST_F(Safetensors, WriterRefusesNamesThatCannotBeRead) {
  const array a({1.f}, {1});
  const auto write = [&](std::vector<std::pair<std::string, array>> tensors,
                         std::map<std::string, std::string, std::less<>> metadata = {}) {
    return sentence_of(folder_, [&] { write_safetensors(folder_.path("W"), tensors, metadata); });
  };
  EXPECT_EQ(write({{"a", a}, {"a", a}}), "[safetensors] two tensors have the name 'a'");
  EXPECT_EQ(write({{"__metadata__", a}}), "[safetensors] '__metadata__' cannot be the name of a tensor");
  EXPECT_EQ(write({{"\xff", a}}), "[safetensors] '?' cannot be the name of a tensor");
  EXPECT_EQ(write({{"a", a}}, {{"k", "\xff"}}), "[safetensors] the metadata 'k' are not UTF-8");
  EXPECT_EQ(folder_.files(), 0u);
  EXPECT_EQ(write({}), "");
  EXPECT_TRUE(SafetensorsFile::open(folder_.path("W"))->tensors().empty());
}

TEST_F(Safetensors, MisalignedTensorsAreCopied) {
  const std::string header =
      R"({"a":)" + tensor_json("U8", "1", 0, 1) + R"(,"b":)" + tensor_json("F32", "2", 1, 9) + "}";
  const auto file = SafetensorsFile::open(
      folder_.write("F", file_of(header, "x" + bytes_of_value(1.5f) + bytes_of_value(-2.f))));
  EXPECT_EQ(file->load("b").to_vector<float>(), (std::vector<float>{1.5f, -2}));
  const std::string nothing =
      R"({"a":)" + tensor_json("U8", "1", 0, 1) + R"(,"b":)" + tensor_json("F64", "0,3", 1, 1) + "}";
  const array empty = SafetensorsFile::open(folder_.write("E", file_of(nothing, "x")))->load("b");
  EXPECT_EQ(empty.shape(), (Shape{0, 3}));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(empty.bytes()) % 8, 0u);
  EXPECT_NE(empty.bytes(), nullptr);
}

TEST_F(Safetensors, EveryPrefixIsRefused) {
  const std::string whole = read_bytes(golden("shapes.safetensors"));
  for (size_t n = 0; n < whole.size(); ++n) {
    const std::string text = error(std::string_view(whole).substr(0, n));
    EXPECT_TRUE(text.starts_with("[safetensors] F: ")) << n << ": " << text;
  }
  EXPECT_EQ(error(whole), "");
  EXPECT_EQ(error(whole + "x"), "[safetensors] F: the last 1 bytes of the file belong to no tensor");
}

TEST_F(Safetensors, HeaderLength) {
  EXPECT_EQ(error(""), "[safetensors] F: the file has 0 bytes, too few for the length of a header");
  EXPECT_EQ(error(bytes_of_value<uint64_t>(3) + "{}"),
            "[safetensors] F: a header of 3 bytes is stated, and the file has 2 after its length");
  for (const uint64_t n :
       {uint64_t{100'000'001}, uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX, UINT64_MAX - 7})
    EXPECT_EQ(error(bytes_of_value(n) + "{}"),
              fmt::format("[safetensors] F: a header of {} bytes is stated, over 100000000", n));
  EXPECT_EQ(error(bytes_of_value<uint64_t>(0) + "{}"), "[safetensors] F: the header does not begin with '{'");
  EXPECT_EQ(error(file_of("{}  ", "")), "");
}

TEST_F(Safetensors, HeadersThatAreNoJson) {
  EXPECT_EQ(header_error("[]"), "[safetensors] F: the header does not begin with '{'");
  EXPECT_EQ(header_error(" {}"), "[safetensors] F: the header does not begin with '{'");
  EXPECT_EQ(header_error("{"), "[safetensors] F: the header is no JSON in UTF-8 from byte 2 on");
  EXPECT_EQ(header_error("{,}"), "[safetensors] F: the header is no JSON in UTF-8 from byte 2 on");
  EXPECT_EQ(header_error("{} x"), "[safetensors] F: the header is no JSON in UTF-8 from byte 4 on");
  EXPECT_EQ(header_error("{}{}"), "[safetensors] F: the header is no JSON in UTF-8 from byte 3 on");
  EXPECT_EQ(header_error("{/**/}"), "[safetensors] F: the header is no JSON in UTF-8 from byte 2 on");
  EXPECT_EQ(header_error(std::string_view("{}\0\0", 4)), "[safetensors] F: the header has a NUL byte at 2");
  for (const char* name : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\\ud800", "\xf4\x90\x80\x80", "a\nb", "\\x"})
    EXPECT_TRUE(header_error(fmt::format("{{\"{}\":{}}}", name, tensor_json("U8", "4", 0, 4)))
                    .starts_with("[safetensors] F: the header is no JSON in UTF-8"))
        << name;
}

TEST_F(Safetensors, DepthBombs) {
  for (const size_t depth : {5u, 1000u, 1'000'000u}) {
    EXPECT_EQ(header_error("{\"a\":" + std::string(depth, '[')),
              "[safetensors] F: an array is not expected as tensor 'a'");
    std::string objects = "{";
    for (size_t i = 0; i < depth; ++i) objects += "\"a\":{";
    EXPECT_EQ(header_error(objects), "[safetensors] F: tensor 'a' has the unknown field 'a'");
    EXPECT_EQ(header_error("{\"a\":{\"shape\":" + std::string(depth, '[')),
              "[safetensors] F: an array is not expected in shape of tensor 'a'");
  }
}

TEST_F(Safetensors, FieldsOfATensor) {
  const auto a = [&](std::string_view fields) {
    return header_error(fmt::format("{{\"a\":{{{}}}}}", fields));
  };
  const std::string dtype = R"("dtype":"U8")", shape = R"("shape":[4])", offsets = R"("data_offsets":[0,4])";
  EXPECT_EQ(a(dtype + "," + shape + "," + offsets), "");
  EXPECT_EQ(a(offsets + "," + dtype + "," + shape), "");
  EXPECT_EQ(a(""), "[safetensors] F: tensor 'a' lacks its dtype, shape or data_offsets");
  EXPECT_EQ(a(dtype + "," + shape), "[safetensors] F: tensor 'a' lacks its dtype, shape or data_offsets");
  EXPECT_EQ(a(dtype + "," + dtype), "[safetensors] F: tensor 'a' has 'dtype' twice");
  EXPECT_EQ(a(shape + "," + shape), "[safetensors] F: tensor 'a' has 'shape' twice");
  EXPECT_EQ(a(R"("strides":[1])"), "[safetensors] F: tensor 'a' has the unknown field 'strides'");
  EXPECT_EQ(a(R"("dtype":8)"), "[safetensors] F: 8 is not expected in dtype of tensor 'a'");
  EXPECT_EQ(a(R"("dtype":null)"), "[safetensors] F: null is not expected in dtype of tensor 'a'");
  EXPECT_EQ(a(R"("shape":4)"), "[safetensors] F: 4 is not expected in shape of tensor 'a'");
  EXPECT_EQ(a(R"("shape":[-4])"), "[safetensors] F: -4 is not expected in shape of tensor 'a'");
  EXPECT_EQ(a(R"("shape":[4.0])"), "[safetensors] F: 4.0 is not expected in shape of tensor 'a'");
  EXPECT_EQ(a(R"("shape":[1e400])"), "[safetensors] F: the header is no JSON in UTF-8 from byte 20 on");
  EXPECT_EQ(a(R"("shape":["4"])"), "[safetensors] F: '4' is not expected in shape of tensor 'a'");
  EXPECT_EQ(a(R"("shape":[true])"), "[safetensors] F: a bool is not expected in shape of tensor 'a'");
  EXPECT_EQ(a(R"("shape":[9223372036854775808])"),
            "[safetensors] F: tensor 'a' has the extent 9223372036854775808");
  EXPECT_EQ(a(R"("shape":[18446744073709551616])"),
            "[safetensors] F: 18446744073709551616 is not expected in shape of tensor 'a'");
  EXPECT_EQ(a(R"("data_offsets":[0])"), "[safetensors] F: tensor 'a' has 1 offsets, not two");
  EXPECT_EQ(a(R"("data_offsets":[])"), "[safetensors] F: tensor 'a' has 0 offsets, not two");
  EXPECT_EQ(a(R"("data_offsets":[0,1,2])"), "[safetensors] F: tensor 'a' has more than two offsets");
  EXPECT_EQ(a(R"("data_offsets":[0,-1])"),
            "[safetensors] F: -1 is not expected in data_offsets of tensor 'a'");
  std::string dims = "1";
  for (int i = 0; i < 32; ++i) dims += ",1";
  EXPECT_EQ(a("\"shape\":[" + dims + "]"), "[safetensors] F: tensor 'a' has more than 32 dimensions");
  EXPECT_EQ(header_error(R"({"a":null})"), "[safetensors] F: null is not expected as tensor 'a'");
  EXPECT_EQ(header_error(fmt::format(R"({{"a":{0},"a":{0}}})", tensor_json("U8", "4", 0, 4))),
            "[safetensors] F: tensor 'a' comes twice");
}

TEST_F(Safetensors, MetadataAreStrings) {
  const auto metadata = [&](std::string_view text) {
    return error(file_of(fmt::format("{{\"__metadata__\":{}}}", text), ""));
  };
  EXPECT_EQ(metadata(R"({"k":"v"})"), "");
  EXPECT_EQ(metadata("{}"), "");
  EXPECT_EQ(metadata("null"), "");  // as MLX writes none
  EXPECT_EQ(metadata(R"({"k":null})"), "[safetensors] F: null is not expected as the metadata 'k'");
  EXPECT_EQ(metadata(R"({"k":1})"), "[safetensors] F: 1 is not expected as the metadata 'k'");
  EXPECT_EQ(metadata(R"({"k":{}})"), "[safetensors] F: an object is not expected as the metadata 'k'");
  EXPECT_EQ(metadata(R"({"k":"v","k":"w"})"), "[safetensors] F: the metadata 'k' come twice");
  EXPECT_EQ(metadata("[]"), "[safetensors] F: an array is not expected as tensor '__metadata__'");
  EXPECT_EQ(error(file_of(R"({"__metadata__":{},"__metadata__":{}})", "")),
            "[safetensors] F: tensor '__metadata__' comes twice");
}

TEST_F(Safetensors, TypesAndSizes) {
  EXPECT_EQ(error("U9", "4", 0, 4, 4), "[safetensors] F: tensor 'a' has the unknown dtype 'U9'");
  EXPECT_EQ(error("u8", "4", 0, 4, 4), "[safetensors] F: tensor 'a' has the unknown dtype 'u8'");
  EXPECT_EQ(error("F32", "2", 0, 4, 4),
            "[safetensors] F: tensor 'a' of shape (2,) and dtype F32 needs 8 bytes, "
            "its offsets give 4");
  EXPECT_EQ(error("U8", "3", 0, 4, 4),
            "[safetensors] F: tensor 'a' of shape (3,) and dtype U8 needs 3 bytes, its offsets give 4");
  EXPECT_EQ(error("F4", "2,4", 0, 4, 4), "");
  EXPECT_EQ(error("F4", "1", 0, 1, 1),
            "[safetensors] F: tensor 'a' of shape (1,) fills no whole bytes as F4");
  EXPECT_EQ(error("F6_E2M3", "4", 0, 3, 3), "");
  const char* const overflows[] = {"4611686018427387904,4", "9223372036854775807", "4294967296,4294967296",
                                   "0,4611686018427387904,4611686018427387904"};
  for (const char* shape : overflows)
    EXPECT_TRUE(error("F32", shape, 0, 0, 0).ends_with("has more bits than 63 bits can count")) << shape;
  EXPECT_EQ(error("BOOL", "4", 0, 4, 4), "");
  const auto file = SafetensorsFile::open(folder_.write(
      "F", file_of("{\"a\":" + tensor_json("BOOL", "4", 0, 4) + "}", std::string("\0\1\2\1", 4))));
  EXPECT_EQ(sentence_of(folder_, [&] { file->load("a"); }),
            "[safetensors] F: tensor 'a' holds the bool 2, which is neither 0 nor 1");
}

TEST_F(Safetensors, Offsets) {
  EXPECT_EQ(error("U8", "4", 4, 0, 4), "[safetensors] F: tensor 'a' ends at 0, before its begin at 4");
  EXPECT_EQ(error("U8", "4", 0, 4, 3), "[safetensors] F: tensor 'a' ends at byte 4 of the data, which has 3");
  EXPECT_EQ(error("U8", "4", UINT64_MAX - 3, UINT64_MAX, 4),
            "[safetensors] F: tensor 'a' ends at byte 18446744073709551615 of the data, which has 4");
  EXPECT_EQ(error("U8", "4", 1, 5, 5), "[safetensors] F: 1 bytes before tensor 'a' belong to no tensor");
  EXPECT_EQ(error("U8", "4", 0, 4, 6), "[safetensors] F: the last 2 bytes of the file belong to no tensor");
  EXPECT_EQ(error(file_of("{}", "x")), "[safetensors] F: the last 1 bytes of the file belong to no tensor");
  const auto two = [&](uint64_t begin, uint64_t end, size_t data) {
    const std::string header = R"({"a":)" + tensor_json("U8", "4", 0, 4) + R"(,"b":)" +
                               tensor_json("U8", fmt::format("{}", end - begin), begin, end) + "}";
    return error(file_of(header, std::string(data, '\0')));
  };
  EXPECT_EQ(two(4, 8, 8), "");
  EXPECT_EQ(two(4, 4, 4), "");
  EXPECT_EQ(two(3, 7, 7), "[safetensors] F: tensor 'b' overlaps the one before it");
  EXPECT_EQ(two(0, 4, 4), "[safetensors] F: tensor 'b' overlaps the one before it");
  EXPECT_EQ(two(2, 2, 4), "[safetensors] F: tensor 'b' overlaps the one before it");
  EXPECT_EQ(two(5, 9, 9), "[safetensors] F: 1 bytes before tensor 'b' belong to no tensor");
}

TEST_F(Safetensors, ShardsAreOneFile) {
  const auto file = SafetensorsFile::open(golden("model.safetensors.index.json"));
  ASSERT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->load("a.weight").dtype(), DType::float16);
  EXPECT_EQ(file->load("c.weight").shape(), (Shape{4}));
  EXPECT_EQ(file->bytes(), 228);
}

TEST_F(Safetensors, IndexAndShardsMustAgree) {
  const std::string one = file_of(R"({"a":)" + tensor_json("U8", "1", 0, 1) + "}", "x");
  const std::string two = file_of(R"({"b":)" + tensor_json("U8", "1", 0, 1) + "}", "y");
  folder_.write("1.safetensors", one);
  folder_.write("2.safetensors", two);
  const auto index = [&](std::string_view map, std::string_view more = "") {
    folder_.write("I.index.json", fmt::format(R"({{{}"weight_map":{}}})", more, map));
    return sentence_of(folder_, [&] { SafetensorsFile::open(folder_.path("I.index.json")); });
  };
  const std::string good = R"({"a":"1.safetensors","b":"2.safetensors"})";
  EXPECT_EQ(index(good), "");
  EXPECT_EQ(index(R"({"a":"1.safetensors"})"), "");
  EXPECT_EQ(index(R"({"a":"1.safetensors","b":"3.safetensors"})"),
            "[open] 3.safetensors: No such file or directory");
  EXPECT_EQ(index(R"({"a":"2.safetensors","b":"1.safetensors"})"),
            "[safetensors] I.index.json: tensor 'a' is in '1.safetensors', and the index does not say so");
  EXPECT_EQ(index(R"({"a":"1.safetensors","c":"1.safetensors"})"),
            "[safetensors] I.index.json: the index names 2 tensors, the files hold 1");
  EXPECT_EQ(index(R"({"a":"1.safetensors","a":"2.safetensors"})"),
            "[safetensors] I.index.json: tensor 'a' comes twice");
  for (const char* path :
       {"../1.safetensors", "/etc/passwd", "sub/1.safetensors", "", "..", ".", "a\\\\b", "a\\u0000"})
    EXPECT_TRUE(index(fmt::format(R"({{"a":"{}"}})", path)).ends_with("which is no file beside the index"))
        << path;
  folder_.write("2.safetensors", one);
  EXPECT_EQ(index(R"({"a":"1.safetensors","b":"2.safetensors"})"),
            "[safetensors] I.index.json: tensor 'a' is in '2.safetensors', and the index does not say so");
  folder_.write("2.safetensors", two.substr(0, two.size() - 1));
  EXPECT_EQ(index(good), "[safetensors] 2.safetensors: tensor 'b' ends at byte 1 of the data, which has 0");

  EXPECT_EQ(index("[]"), "[safetensors] I.index.json: an array is not expected as the file of 'weight_map'");
  EXPECT_EQ(index("3"), "[safetensors] I.index.json: a number is not expected as the file of 'weight_map'");
  EXPECT_EQ(index(R"({"a":3})"), "[safetensors] I.index.json: a number is not expected as the file of 'a'");
  EXPECT_EQ(index(R"({"a":{}})"), "[safetensors] I.index.json: tensor 'a' has no file's name");
  EXPECT_EQ(index("{}", R"("weight_map":{},)"), "[safetensors] I.index.json: 'weight_map' comes twice");
  EXPECT_EQ(index("{}", "\"metadata\":" + std::string(100'000, '[')),
            "[safetensors] I.index.json: the index is nested deeper than 16 levels");
  folder_.write("I.index.json", R"({"metadata":{}})");
  EXPECT_EQ(sentence_of(folder_, [&] { SafetensorsFile::open(folder_.path("I.index.json")); }),
            "[safetensors] I.index.json: the index has no 'weight_map'");
}

}  // namespace
}  // namespace uma
