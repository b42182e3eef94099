// GGUF files that we write: read back by our reader, and byte by byte against the builder of the tests.
#include "io/gguf_writer.h"

#include <gtest/gtest.h>

#include "backend/install.h"
#include "io/testing.h"

namespace uma {
namespace {

using namespace testing_files;
using Tensors = std::vector<std::pair<std::string, array>>;
using Metadata = std::vector<std::pair<std::string, GgufValue>>;

const bool installed = (install_backends(), true);

class GgufWriter : public testing::Test {
 protected:
  std::string written(const Tensors& tensors, const Metadata& metadata = {}) {
    write_gguf(folder_.path("F"), tensors, metadata);
    return read_bytes(folder_.path("F"));
  }
  std::string error(const Tensors& tensors, const Metadata& metadata = {}) {
    const std::string before = folder_.write("F", "before");
    std::string sentence = sentence_of(folder_, [&] { write_gguf(before, tensors, metadata); });
    EXPECT_EQ(read_bytes(before), "before") << sentence;
    EXPECT_EQ(folder_.files(), 1u) << sentence;
    return sentence;
  }
  Folder folder_;
};

const array kX({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {2, 3});

TEST_F(GgufWriter, WritesWhatTheFormatSays) {
  const float values[] = {1, 2, 3, 4, 5, 6};
  const int8_t small[] = {1, -2, 3};
  GgufBuilder builder;
  builder.set("general.architecture", "none")
      .set("n", int32_t{-7})
      .set("texts", std::vector<std::string>{"a", ""});
  builder.set("list", std::vector<uint16_t>{1, 65535}).set("yes", true).set("f", 0.5f);
  builder.add({"x", {3, 2}, 0, std::string(reinterpret_cast<const char*>(values), sizeof values)});
  builder.add({"y", {3}, 24, std::string(reinterpret_cast<const char*>(small), sizeof small)});
  const Metadata metadata{{"general.architecture", "none"},
                          {"n", array(int32_t{-7})},
                          {"texts", std::vector<std::string>{"a", ""}},
                          {"list", array({uint16_t{1}, uint16_t{65535}})},
                          {"yes", array(true)},
                          {"f", array(0.5f)}};
  const array y({int8_t{1}, int8_t{-2}, int8_t{3}});
  std::string expected = builder.bytes();
  expected.resize((expected.size() + 31) / 32 * 32);  // the last tensor is padded as the others are
  EXPECT_EQ(written({{"x", kX}, {"y", y}}, metadata), expected);
}

TEST_F(GgufWriter, EveryKindComesBack) {
  const std::pair<DType, std::string_view> tensors[] = {{DType::float32, "F32"},
                                                        {DType::float16, "F16"},
                                                        {DType::int8, "I8"},
                                                        {DType::int16, "I16"},
                                                        {DType::int32, "I32"}};
  for (const auto& [dtype, name] : tensors) {
    const array one = array::from_buffer(array(1, dtype).buffer(), 0, {1}, dtype);
    written({{"a", one}});
    const auto file = GgufFile::open(folder_.path("F"));
    EXPECT_EQ(file->tensors()[0].type_name(), name);
    EXPECT_EQ(std::memcmp(file->tensors()[0].data.data(), one.bytes(), static_cast<size_t>(one.nbytes())), 0);
  }
  const DType values[] = {DType::uint8,  DType::int8,  DType::uint16, DType::int16,
                          DType::uint32, DType::int32, DType::uint64, DType::int64};
  for (const DType dtype : values) {
    written({}, {{"k", array(77, dtype)}});
    EXPECT_EQ(GgufFile::open(folder_.path("F"))->find_int("k"), 77) << name_of(dtype);
  }
}

TEST_F(GgufWriter, AlignmentIsWhatTheMetadataSay) {
  written({{"x", kX}, {"y", kX}}, {{"general.alignment", array(uint32_t{256})}});
  const auto file = GgufFile::open(folder_.path("F"));
  EXPECT_EQ(file->alignment(), 256);
  EXPECT_EQ(file->find_tensor("y")->offset, 256);
  EXPECT_EQ(error({}, {{"general.alignment", array(uint32_t{24})}}),
            "[save_gguf] general.alignment must be a power of two from 8 to 1048576, not 24");
  EXPECT_EQ(error({}, {{"general.alignment", array(32)}}),
            "[save_gguf] general.alignment must be one uint32");
}

TEST_F(GgufWriter, WhatTheFormatHasNot) {
  EXPECT_EQ(error({{"x", array(1.0, DType::float64)}}),
            "[save_gguf] 'x' is float64; tensors can be float32, float16, int8, int16 or int32");
  EXPECT_EQ(error({{"x", array(1.f)}}),
            "[save_gguf] 'x' has shape (); tensors have 1 to 4 dimensions and no extent 0");
  EXPECT_EQ(error({{"x", array(std::span<const float>(), {0, 2})}}),
            "[save_gguf] 'x' has shape (0, 2); tensors have 1 to 4 dimensions and no extent 0");
  EXPECT_EQ(error({{"x", array({1.f}, {1, 1, 1, 1, 1})}}),
            "[save_gguf] 'x' has shape (1, 1, 1, 1, 1); tensors have 1 to 4 dimensions and no extent 0");
  EXPECT_EQ(error({{"x", kX}, {"x", kX}}), "[save_gguf] two tensors have the name 'x'");
  EXPECT_EQ(error({{std::string(65, 'n'), kX}}),
            "[save_gguf] '" + std::string(65, 'n') +
                "' cannot be the name of a tensor: the format has UTF-8 of 1 to 64 bytes");
  EXPECT_EQ(error({}, {{"k", array(1.0, DType::float64)}}),
            "[save_gguf] the metadata 'k' are float64; they can be bool, float32 or an integer dtype");
  EXPECT_EQ(error({}, {{"k", kX}}),
            "[save_gguf] the metadata 'k' have shape (2, 3); they can be one value or a list of one or more");
  EXPECT_EQ(error({}, {{"k", "a"}, {"k", "b"}}), "[save_gguf] the key 'k' comes twice");
  EXPECT_EQ(error({}, {{"", "a"}}),
            "[save_gguf] '' cannot be a key: the format has UTF-8 of 1 to 65535 bytes");
  EXPECT_EQ(error({}, {{"k", "\xff"}}), "[save_gguf] the metadata 'k' are not UTF-8");
  EXPECT_EQ(error({}, {{"k", std::vector<std::string>{"\xff"}}}),
            "[save_gguf] the metadata 'k' are not UTF-8");
}

}  // namespace
}  // namespace uma
