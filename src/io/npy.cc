#include "io/npy.h"

#include <array>
#include <charconv>
#include <cstring>
#include <memory>
#include <vector>

#include "base/utf8.h"
#include "core/kernel.h"
#include "core/layout.h"
#include "core/mapped_file.h"
#include "io/file_writer.h"
#include "io/mapped_array.h"

namespace uma {
namespace {

struct Row {
  DType dtype;
  std::string_view descr;
};
constexpr Row kRows[] = {{DType::bool_, "|b1"},     {DType::uint8, "|u1"},   {DType::uint16, "<u2"},
                         {DType::uint32, "<u4"},    {DType::uint64, "<u8"},  {DType::int8, "|i1"},
                         {DType::int16, "<i2"},     {DType::int32, "<i4"},   {DType::int64, "<i8"},
                         {DType::float16, "<f2"},   {DType::float32, "<f4"}, {DType::float64, "<f8"},
                         {DType::complex64, "<c8"}, {DType::bfloat16, "<V2"}};
constexpr std::string_view kRaw = "|V2";  // how NumPy itself writes such elements
constexpr std::string_view kMagic("\x93NUMPY\x01\x00", 8);
constexpr size_t kPreamble = 10;  // magic, version, length of the header

// The text between `before` and the next `after` in the header, which is a Python dict of three known keys.
std::string_view between(std::string_view header, std::string_view before, std::string_view after,
                         const std::string& path) {
  const size_t begin = header.find(before);
  const size_t end = begin == std::string_view::npos ? begin : header.find(after, begin + before.size());
  check(end != std::string_view::npos, ErrorCode::kFormat, "npy", "{}: the header has no {}...{}", path,
        before, after);
  return header.substr(begin + before.size(), end - begin - before.size());
}

constexpr size_t kMaxDims = 32;  // NumPy's own limit of the time that this version of the format is from

// "2, 3", "4,", "": what stands between the brackets of a tuple.
Shape parse_shape(std::string_view text, const std::string& path) {
  Shape shape;
  const auto require = [&, all = text](bool ok) {
    check(ok, ErrorCode::kFormat, "npy", "{}: '({})' is no shape", path, shown(all));
  };
  const auto skip_spaces = [&] { text.remove_prefix(std::min(text.find_first_not_of(' '), text.size())); };
  for (skip_spaces(); !text.empty(); skip_spaces()) {
    int64_t extent = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    require(error == std::errc() && extent >= 0 && shape.size() < kMaxDims);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    shape.push_back(extent);
    skip_spaces();
    require(text.empty() ? shape.size() > 1 : text[0] == ',');  // "(4)" is a number in brackets
    if (!text.empty()) text.remove_prefix(1);
  }
  return shape;
}

/// The first axis is the fastest: rows are copied together.
array from_fortran(const array& flat, const Shape& shape) {
  Strides from(shape.size()), to(shape.size());
  int64_t step = 1;
  for (size_t i = 0; i < shape.size(); step *= shape[i++]) from[i] = step;
  step = 1;
  for (size_t i = shape.size(); i-- > 0; step *= shape[i]) to[i] = step;
  const int64_t item = size_of(flat.dtype());
  const auto copy = std::make_shared<std::vector<uint64_t>>(static_cast<size_t>((flat.nbytes() + 7) / 8));
  copy_strided(flat.bytes(), from, reinterpret_cast<uint8_t*>(copy->data()), to, shape, item);
  const auto bytes = static_cast<size_t>(flat.nbytes());
  return array::from_buffer(Buffer::view(copy->data(), bytes, copy), 0, shape, flat.dtype());
}

}  // namespace

std::string npy_header(const array& a) {
  const Row* row = nullptr;
  for (const Row& r : kRows)
    if (r.dtype == a.dtype()) row = &r;
  check(row != nullptr, ErrorCode::kDType, "npy", "the format has no {}", name_of(a.dtype()));
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", row->descr,
                                 to_string(a.shape()));
  dict.append((64 - (kPreamble + dict.size() + 1) % 64) % 64, ' ');
  dict += '\n';
  const auto length = static_cast<uint16_t>(dict.size());
  return std::string(kMagic) + std::string(reinterpret_cast<const char*>(&length), 2) + dict;
}

void write_npy(const std::string& path, const array& a) {
  const std::string header = npy_header(a);
  a.eval();
  const array values = row_contiguous(a);
  FileWriter file(path);
  file.write(header);
  file.write({values.bytes(), static_cast<size_t>(values.nbytes())});
  file.commit();
}

array parse_npy(const std::shared_ptr<const void>& owner, std::span<const uint8_t> bytes,
                const std::string& path) {
  check(bytes.size() >= kPreamble && std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0,
        ErrorCode::kFormat, "npy", "{}: no .npy file of version 1.0", path);
  const size_t length = bytes[8] | static_cast<size_t>(bytes[9]) << 8;
  check(length <= bytes.size() - kPreamble, ErrorCode::kFormat, "npy",
        "{}: the header of {} bytes passes the end", path, length);
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + kPreamble, length);
  const std::string_view descr = between(header, "'descr': '", "'", path);
  const std::string_view order = between(header, "'fortran_order': ", ",", path);
  check(order == "False" || order == "True", ErrorCode::kFormat, "npy",
        "{}: 'fortran_order' is {}, neither True nor False", path, shown(order));
  const Shape shape = parse_shape(between(header, "'shape': (", ")", path), path);
  for (const Row& row : kRows) {
    if (row.descr != descr && !(row.dtype == DType::bfloat16 && descr == kRaw)) continue;
    const auto data = bytes.subspan(kPreamble + length);
    const auto bits = bits_of(shape, 8 * size_of(row.dtype));
    check(bits && static_cast<uint64_t>(*bits / 8) == data.size(), ErrorCode::kFormat, "npy",
          "{}: shape {} of {} does not fill the {} bytes after the header", path, shape, name_of(row.dtype),
          data.size());
    const auto array_of = [&](const Shape& s) {
      return owned_array(owner, path, data, s, row.dtype, "npy", "the array");
    };
    if (order == "False" || data.empty()) return array_of(shape);
    return from_fortran(array_of({static_cast<int64_t>(data.size()) / size_of(row.dtype)}), shape);
  }
  fail(ErrorCode::kUnsupported, "npy", "{}: dtype '{}' is unknown", path, shown(descr));
}

array read_npy(const std::string& path) {
  const auto file = MappedFile::open(path);
  const array a = parse_npy(file, file->bytes(), path);
  file->check();
  return a;
}

}  // namespace uma
