#include "io/npz.h"

#include <zip.h>

#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "base/utf8.h"
#include "core/kernel.h"
#include "core/layout.h"
#include "core/mapped_file.h"
#include "io/file_writer.h"
#include "io/npy.h"

namespace uma {
namespace {

constexpr auto kOp = "npz";
constexpr auto kFormat = ErrorCode::kFormat;
constexpr std::string_view kEnding = ".npy";
// What deflate makes of a byte at most.
constexpr uint64_t kMostOfAByte = 1032;

struct Discard {
  void operator()(zip_t* zip) const { zip_discard(zip); }
  void operator()(zip_file_t* member) const { zip_fclose(member); }
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};
template <class T>
using Owned = std::unique_ptr<T, Discard>;

/// The words for an error that the library gives as a code.
std::string reason_of(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  return reason;
}

/// The bytes of a member, in memory that is aligned for any element.
std::vector<uint64_t> contents_of(zip_t* zip, zip_uint64_t index, const zip_stat_t& stat,
                                  const std::string& name) {
  const Owned<zip_file_t> member(zip_fopen_index(zip, index, 0));
  check(member != nullptr, kFormat, kOp, "{} cannot be read: {}", name, zip_strerror(zip));
  std::vector<uint64_t> words((stat.size + 7) / 8);
  auto* bytes = reinterpret_cast<uint8_t*>(words.data());
  uint64_t done = 0;
  while (done < stat.size) {
    const zip_int64_t n = zip_fread(member.get(), bytes + done, stat.size - done);
    check(n > 0, kFormat, kOp, "{} is damaged: {}", name,
          n < 0 ? zip_file_strerror(member.get()) : "it ends too early");
    done += static_cast<uint64_t>(n);
  }
  // The checksum is compared where the end is met.
  uint8_t more = 0;
  const zip_int64_t n = zip_fread(member.get(), &more, 1);
  check(n == 0, kFormat, kOp, "{} is damaged: {}", name,
        n < 0 ? zip_file_strerror(member.get()) : "it is longer than it says");
  return words;
}

/// What the zip says of a member, after all of it has been checked. `left` are bytes of the file that no
/// member before has claimed.
zip_stat_t checked_stat(zip_t* zip, zip_uint64_t index, uint64_t& left, const std::string& name) {
  zip_stat_t stat;
  constexpr zip_uint64_t kNeeded =
      ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  check(zip_stat_index(zip, index, 0, &stat) == 0 && (stat.valid & kNeeded) == kNeeded, kFormat, kOp,
        "{} is not described", name);
  check(stat.encryption_method == ZIP_EM_NONE &&
            (stat.comp_method == ZIP_CM_STORE || stat.comp_method == ZIP_CM_DEFLATE),
        kFormat, kOp, "{} is neither stored nor deflated", name);
  check(stat.comp_size <= left && stat.size / kMostOfAByte <= stat.comp_size, kFormat, kOp,
        "{} cannot hold {} bytes packed in {}", name, stat.size, stat.comp_size);
  left -= stat.comp_size;
  return stat;
}

}  // namespace

std::map<std::string, array, std::less<>> read_npz(const std::string& path,
                                                   const std::function<bool(std::string_view)>& wanted) {
  uint64_t left = MappedFile::open(path)->bytes().size();  // says in our words what cannot be opened
  int code = 0;
  const Owned<zip_t> zip(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
  check(zip != nullptr, kFormat, kOp, "{} is no sound zip file: {}", path, reason_of(code));
  std::map<std::string, array, std::less<>> arrays;
  const auto count = static_cast<zip_uint64_t>(zip_get_num_entries(zip.get(), 0));
  for (zip_uint64_t i = 0; i < count; ++i) {
    const char* raw = zip_get_name(zip.get(), i, ZIP_FL_ENC_RAW);
    check(raw != nullptr, kFormat, kOp, "{}: member {} has no name", path, i);
    std::string_view name = raw;
    if (name.ends_with(kEnding)) name.remove_suffix(kEnding.size());
    if (wanted && !wanted(name)) continue;
    const std::string full = path + ": " + shown(raw);
    const zip_stat_t stat = checked_stat(zip.get(), i, left, full);
    const auto words = std::make_shared<const std::vector<uint64_t>>(contents_of(zip.get(), i, stat, full));
    const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(words->data()), stat.size);
    const bool added = arrays.emplace(name, parse_npy(words, bytes, full)).second;
    check(added, kFormat, kOp, "{} comes twice", full);
  }
  return arrays;
}

void write_npz(const std::string& path, std::span<const std::pair<std::string, array>> arrays) {
  // The library writes no file without members.
  if (arrays.empty()) return write_file(path, std::string("PK\5\6") + std::string(18, '\0'));
  // It reads both of these when the file is closed.
  std::deque<std::string> headers;
  std::vector<array> values;
  for (const auto& [name, a] : arrays) {
    headers.push_back(npy_header(a));
    a.eval();
    values.push_back(row_contiguous(a));
  }
  int code = 0;
  Owned<zip_t> zip(zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
  check(zip != nullptr, ErrorCode::kIo, kOp, "{} cannot be written: {}", path, reason_of(code));
  for (size_t i = 0; i < arrays.size(); ++i) {
    const std::string& name = arrays[i].first;
    check(!name.empty(), ErrorCode::kInvalidArgument, kOp, "an array has an empty name");
    const auto bytes_of = [](const void* data, size_t size) {
      // Not written to: the structure is also used for buffers that are.
      return zip_buffer_fragment_t{static_cast<zip_uint8_t*>(const_cast<void*>(data)), size};
    };
    const std::array pieces{bytes_of(headers[i].data(), headers[i].size()),
                            bytes_of(values[i].bytes(), static_cast<size_t>(values[i].nbytes()))};
    Owned<zip_source_t> source(zip_source_buffer_fragment(zip.get(), pieces.data(), pieces.size(), 0));
    check(source != nullptr, ErrorCode::kIo, kOp, "{}: {}", path, zip_strerror(zip.get()));
    const std::string member = name + std::string(kEnding);
    const zip_int64_t index = zip_file_add(zip.get(), member.c_str(), source.get(), ZIP_FL_ENC_UTF_8);
    check(index >= 0, ErrorCode::kInvalidArgument, kOp, "\"{}\" cannot name an array: {}", shown(name),
          zip_strerror(zip.get()));
    source.release();  // the archive's now
    zip_set_file_compression(zip.get(), static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0);
  }
  check(zip_close(zip.get()) == 0, ErrorCode::kIo, kOp, "{} cannot be written: {}", path,
        zip_strerror(zip.get()));
  zip.release();
}

}  // namespace uma
