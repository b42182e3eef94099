#include "hub/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "hub/names.h"

namespace uma::hub {
namespace fs = std::filesystem;
namespace {

constexpr size_t kChunk = size_t{1} << 20;  // large enough that system calls do not show

std::string reason(int error) {
  return std::generic_category().message(error);
}

[[noreturn]] void fail_local(const char* what, const fs::path& path, int error) {
  throw LocalError(ErrorCode::kIo, "models",
                   fmt::format("cannot {} {}: {}", what, path.string(), reason(error)));
}

int open_file(const fs::path& path, int flags) {
  int fd;
  do fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  while (fd < 0 && errno == EINTR);
  return fd;
}

/// Hands the bytes [0, end) of fd to `take`. Returns how many there were.
template <class Take>
int64_t read_all(int fd, const fs::path& path, int64_t end, const std::atomic<bool>* cancel, Take take) {
  std::vector<uint8_t> buffer(kChunk);
  int64_t at = 0;
  while (at < end) {
    check_cancel(cancel);
    const size_t want = static_cast<size_t>(std::min<int64_t>(end - at, static_cast<int64_t>(kChunk)));
    const ssize_t n = ::pread(fd, buffer.data(), want, at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_local("read", path, errno);
    if (n == 0) break;
    at += n;
    take(std::span<const uint8_t>(buffer.data(), static_cast<size_t>(n)), at);
  }
  return at;
}

}  // namespace

void check_cancel(const std::atomic<bool>* cancel) {
  check(!cancel || !cancel->load(std::memory_order_relaxed), ErrorCode::kCancelled, "models", "stopped");
}

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
  void start() {
    check(context && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1, ErrorCode::kInternal, "models",
          "OpenSSL has no SHA-256 here");
  }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  state_->start();
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const uint8_t> bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::array<uint8_t, 32> Sha256::digest() {
  std::array<uint8_t, 32> result{};
  EVP_DigestFinal_ex(state_->context, result.data(), nullptr);
  state_->start();
  return result;
}

std::string to_hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t b : bytes) {
    text += "0123456789abcdef"[b >> 4];
    text += "0123456789abcdef"[b & 15];
  }
  return text;
}

std::string sha256_hex(std::string_view text) {
  Sha256 hash;
  hash.update({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  return to_hex(hash.digest());
}

bool is_sha256_hex(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string hash_file(const fs::path& path, const OnBytes& on_bytes, const std::atomic<bool>* cancel) {
  const int fd = open_file(path, O_RDONLY);
  if (fd < 0) fail_local("open", path, errno);
  Sha256 hash;
  try {
    read_all(fd, path, std::numeric_limits<int64_t>::max(), cancel, [&](auto bytes, int64_t at) {
      hash.update(bytes);
      if (on_bytes) on_bytes(at);
    });
  } catch (...) {
    ::close(fd);
    throw;
  }
  ::close(fd);
  return to_hex(hash.digest());
}

void make_folders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail_local("make the folder", path, error.value());
}

void sync_folder(const fs::path& path) {
  const int fd = open_file(path, O_RDONLY | O_DIRECTORY);
  if (fd < 0) fail_local("open", path, errno);
  ::fsync(fd);  // some file systems refuse this for folders; then there is nothing to flush
  ::close(fd);
}

int64_t free_bytes(const fs::path& folder) {
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0) return std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
}

FileLock::FileLock(const fs::path& path, const std::function<void()>& on_wait,
                   const std::atomic<bool>* cancel)
    : path_(path) {
  bool told = false;
  for (;;) {
    const int fd = open_file(path_, O_RDWR | O_CREAT);
    if (fd < 0) fail_local("open", path_, errno);
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
      // The one before us removes the file as it leaves: a lock on a removed file locks nobody out.
      struct stat held {
      }, there{};
      if (::fstat(fd, &held) == 0 && ::stat(path_.c_str(), &there) == 0 && held.st_ino == there.st_ino) {
        fd_ = fd;
        return;
      }
      ::close(fd);
      continue;
    }
    const int error = errno;
    ::close(fd);
    if (error != EWOULDBLOCK && error != EINTR) fail_local("lock", path_, error);
    if (!told && on_wait) on_wait();
    told = true;
    check_cancel(cancel);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

FileLock::~FileLock() {
  ::unlink(path_.c_str());
  ::close(fd_);
}

PartFile::PartFile(fs::path path, int64_t max_bytes, const OnBytes& on_bytes, const std::atomic<bool>* cancel)
    : path_(std::move(path)), max_bytes_(max_bytes), on_bytes_(on_bytes), cancel_(cancel) {
  fd_ = open_file(path_, O_RDWR | O_CREAT | O_NOFOLLOW);
  if (fd_ < 0) fail_local("open", path_, errno);
  try {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) fail_local("read", path_, errno);
    size_ = info.st_size;
    if (max_bytes_ > 0 && size_ > max_bytes_) rewind(0);
    hash_existing();
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

PartFile::~PartFile() {
  ::close(fd_);
}

void PartFile::hash_existing() {
  hash_ = Sha256();
  size_ = read_all(fd_, path_, size_, cancel_, [&](auto bytes, int64_t at) {
    hash_.update(bytes);
    if (on_bytes_) on_bytes_(at);
  });
}

void PartFile::fail_write(int error) const {
  const bool full = error == ENOSPC || error == EDQUOT;
  throw LocalError(ErrorCode::kIo, "models",
                   fmt::format("cannot write {} after {}: {}", path_.string(), human_bytes(size_),
                               full ? "the disk is full" : reason(error)));
}

void PartFile::append(std::span<const uint8_t> bytes) {
  const int64_t count = static_cast<int64_t>(bytes.size());
  check(max_bytes_ == 0 || size_ + count <= max_bytes_, ErrorCode::kFormat, "models",
        "more bytes arrive than the {} that the file has", max_bytes_);
  // Past this limit the kernel would end the process with a signal.
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      static_cast<uint64_t>(size_ + count) > limit.rlim_cur)
    throw LocalError(ErrorCode::kIo, "models",
                     fmt::format("cannot write {}: files of this process are limited to {} (ulimit -f)",
                                 path_.string(), human_bytes(static_cast<int64_t>(limit.rlim_cur))));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::pwrite(fd_, bytes.data() + done, bytes.size() - done, size_);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_write(errno);
    hash_.update(bytes.subspan(done, static_cast<size_t>(n)));
    size_ += n;
    done += static_cast<size_t>(n);
  }
}

void PartFile::rewind(int64_t size) {
  if (::ftruncate(fd_, size) != 0) fail_local("truncate", path_, errno);
  size_ = size;
  hash_existing();
}

std::string PartFile::finish() {
  if (::fsync(fd_) != 0) fail_write(errno);
  return to_hex(hash_.digest());
}

}  // namespace uma::hub
