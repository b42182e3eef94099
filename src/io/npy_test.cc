// Files as NumPy writes them, read and written, and what is refused.
#include "io/npy.h"

#include <gtest/gtest.h>

#include "backend/install.h"
#include "io/testing.h"

namespace uma {
namespace {

using namespace testing_files;

const bool installed = (install_backends(), true);

/// A file of version 1.0 with this header, padded as NumPy pads it.
std::string npy(std::string header, std::string_view data) {
  header.append((64 - (10 + header.size() + 1) % 64) % 64, ' ');
  header += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + bytes_of_value(static_cast<uint16_t>(header.size())) + header +
         std::string(data);
}
std::string npy(std::string_view descr, std::string_view shape, std::string_view data) {
  return npy(fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, shape), data);
}

class Npy : public testing::Test {
 protected:
  array read(std::string_view bytes) { return read_npy(folder_.write("F", bytes)); }
  std::string error(std::string_view bytes) {
    folder_.write("F", bytes);
    return sentence_of(folder_, [&] { read_npy(folder_.path("F")); });
  }
  Folder folder_;
};

TEST_F(Npy, WritesTheBytesThatNumPyWrites) {
  // np.save of np.array([[1, 2, 3], [4, 5, 6]], np.float32)
  const array a({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {2, 3});
  write_npy(folder_.path("a"), a);
  const float values[] = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(read_bytes(folder_.path("a")),
            npy("<f4", "2, 3", {reinterpret_cast<const char*>(values), sizeof values}));
}

TEST_F(Npy, EveryDtypeComesBack) {
  const std::pair<DType, const char*> rows[] = {
      {DType::bool_, "|b1"},     {DType::uint8, "|u1"},   {DType::uint16, "<u2"},  {DType::uint32, "<u4"},
      {DType::uint64, "<u8"},    {DType::int8, "|i1"},    {DType::int16, "<i2"},   {DType::int32, "<i4"},
      {DType::int64, "<i8"},     {DType::float16, "<f2"}, {DType::float32, "<f4"}, {DType::float64, "<f8"},
      {DType::complex64, "<c8"}, {DType::bfloat16, "<V2"}};
  for (const auto& [dtype, descr] : rows) {
    const std::string data(static_cast<size_t>(2 * size_of(dtype)), '\1');
    const array a = read(npy(descr, "2,", data));
    EXPECT_EQ(a.dtype(), dtype);
    EXPECT_EQ(a.shape(), (Shape{2}));
    write_npy(folder_.path("b"), a);
    EXPECT_EQ(read_bytes(folder_.path("b")), read_bytes(folder_.path("F"))) << descr;
  }
}

TEST_F(Npy, RawPairsOfBytesAreBfloat16) {
  // np.save of np.array([0x3fc0, 0xc000], np.uint16).view("V2")
  const array a = read(npy("|V2", "2,", std::string("\xc0\x3f\x00\xc0", 4)));
  EXPECT_EQ(a.to_vector<bfloat16>(), (std::vector<bfloat16>{bfloat16(1.5f), bfloat16(-2.f)}));
}

TEST_F(Npy, FortranOrder) {
  // np.save of np.asfortranarray([[[0, 1], [2, 3], [4, 5]]], np.int16), the first axis the fastest
  const int16_t values[] = {0, 2, 4, 1, 3, 5};
  const std::string_view data(reinterpret_cast<const char*>(values), sizeof values);
  const auto of = [&](std::string_view shape) {
    return read(npy(fmt::format("{{'descr': '<i2', 'fortran_order': True, 'shape': ({}), }}", shape), data));
  };
  const array a = of("1, 3, 2");
  EXPECT_EQ(a.shape(), (Shape{1, 3, 2}));
  EXPECT_EQ(a.to_vector<int16_t>(), (std::vector<int16_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(of("6,").to_vector<int16_t>(), (std::vector<int16_t>{0, 2, 4, 1, 3, 5}));
  const std::string empty = npy("{'descr': '<i2', 'fortran_order': True, 'shape': (0, 3), }", "");
  EXPECT_EQ(read(empty).shape(), (Shape{0, 3}));
  EXPECT_EQ(error(npy("{'descr': '<i2', 'fortran_order': maybe, 'shape': (0,), }", "")),
            "[npy] F: 'fortran_order' is maybe, neither True nor False");
}

TEST_F(Npy, ScalarsAndEmptyArrays) {
  EXPECT_EQ(read(npy("<i4", "", bytes_of_value(7))).item<int32_t>(), 7);
  EXPECT_EQ(read(npy("<i4", "0, 5", "")).shape(), (Shape{0, 5}));
  EXPECT_EQ(read(npy("<i4", "1, 1, 1", bytes_of_value(7))).shape(), (Shape{1, 1, 1}));
}

TEST_F(Npy, AnArrayIsAViewWhereItIsAligned) {
  const array even = read(npy("<i4", "2,", bytes_of_value(int64_t{1} << 32)));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(even.bytes()) % 4096, 128u);  // where it lies in the file
  // A header of odd length: the elements are copied to where they can be read.
  const std::string header = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,)}\n";
  const std::string bytes = std::string("\x93NUMPY\x01\x00", 8) +
                            bytes_of_value(static_cast<uint16_t>(header.size() + header.size() % 2 + 1)) +
                            header + std::string(header.size() % 2 + 1, ' ') +
                            bytes_of_value(int64_t{5} << 32);
  const array odd = read(bytes);
  EXPECT_EQ(odd.to_vector<int32_t>(), (std::vector<int32_t>{0, 5}));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(odd.bytes()) % 4, 0u);
}

TEST_F(Npy, EveryPrefixIsRefused) {
  const std::string whole = npy("<i4", "2, 3", std::string(24, 'x'));
  for (size_t n = 0; n < whole.size(); ++n)
    EXPECT_TRUE(error(std::string_view(whole).substr(0, n)).starts_with("[npy] F: ")) << n;
  EXPECT_EQ(error(whole), "");
  EXPECT_EQ(error(whole + "x"), "[npy] F: shape (2, 3) of int32 does not fill the 25 bytes after the header");
}

TEST_F(Npy, WhatIsNoArrayOfOurs) {
  EXPECT_EQ(error("PK\x03\x04 a zip file"), "[npy] F: no .npy file of version 1.0");
  std::string two = npy("<i4", "1,", "abcd");
  two[6] = 2;
  EXPECT_EQ(error(two), "[npy] F: no .npy file of version 1.0");
  EXPECT_EQ(error(npy(">i4", "1,", "abcd")), "[npy] F: dtype '>i4' is unknown");
  EXPECT_EQ(error(npy("|O", "1,", "abcd")), "[npy] F: dtype '|O' is unknown");
  EXPECT_EQ(error(npy("\x1b[2J", "1,", "abcd")), "[npy] F: dtype '?[2J' is unknown");
  EXPECT_EQ(error(npy("{'fortran_order': False, 'shape': (1,), }", "abcd")),
            "[npy] F: the header has no 'descr': '...'");
  EXPECT_EQ(error(npy("|b1", "2,", std::string("\1\2", 2))),
            "[npy] F: the array holds the bool 2, which is neither 0 nor 1");
}

TEST_F(Npy, Shapes) {
  for (const char* shape : {"-1,", "4", "1 2", "1,,2", "x", "1.5,", "99999999999999999999,", "0x4,", ","})
    EXPECT_EQ(error(npy("<i4", shape, "abcd")), fmt::format("[npy] F: '({})' is no shape", shape));
  std::string deep;
  for (int i = 0; i < 33; ++i) deep += "1, ";
  EXPECT_TRUE(error(npy("<i4", deep, "abcd")).ends_with("is no shape"));
  EXPECT_EQ(error(npy("<i4", "4611686018427387904, 4", "")),
            "[npy] F: shape (4611686018427387904, 4) of int32 does not fill the 0 bytes after the header");
  EXPECT_EQ(error(npy("<i4", "2305843009213693952,", "")),
            "[npy] F: shape (2305843009213693952,) of int32 does not fill the 0 bytes after the header");
  EXPECT_EQ(error(npy("<i4", "0, 4611686018427387904, 4611686018427387904", "")),
            "[npy] F: shape (0, 4611686018427387904, 4611686018427387904) of int32 does not fill the 0 bytes "
            "after the header");
}

}  // namespace
}  // namespace uma
