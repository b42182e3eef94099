#include "io/file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/utf8.h"

namespace uma {

FileWriter::FileWriter(std::string path) : path_(std::move(path)) {
  check(!path_.empty() && path_.find('\0') == std::string::npos, ErrorCode::kIo, "write",
        "'{}' is no file name", shown(path_));
  // The new file takes the place of what is there, which must not be a folder, a device or a pipe.
  struct stat there {};
  const bool exists = stat(path_.c_str(), &there) == 0;
  check(!exists || !S_ISDIR(there.st_mode), ErrorCode::kIo, "write", "{} cannot be written: {}", path_,
        std::strerror(EISDIR));
  check(!exists || S_ISREG(there.st_mode), ErrorCode::kIo, "write", "{} cannot be replaced: no regular file",
        path_);
  temporary_ = path_ + ".XXXXXX";
  fd_ = mkstemp(temporary_.data());
  check(fd_ >= 0, ErrorCode::kIo, "write", "{} cannot be made: {}", path_, std::strerror(errno));
  // mkstemp asks for 0600; a file that was asked for gets what the umask allows.
  const mode_t mask = umask(0);
  umask(mask);
  fchmod(fd_, 0666 & ~mask);
}

FileWriter::~FileWriter() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(temporary_.c_str());
}

void FileWriter::give_up(int error) {
  close(fd_);
  unlink(temporary_.c_str());
  fd_ = -1;
  fail(ErrorCode::kIo, "write", "{} cannot be written: {}", path_, std::strerror(error));
}

void FileWriter::write(std::span<const uint8_t> bytes) {
  check(fd_ >= 0, ErrorCode::kInternal, "write", "{} is closed", path_);
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) give_up(n < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

void FileWriter::commit() {
  check(fd_ >= 0, ErrorCode::kInternal, "write", "{} is closed", path_);
  if (fsync(fd_) != 0) give_up(errno);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) give_up(errno);
  close(fd_);
  fd_ = -1;
}

void write_file(const std::string& path, std::string_view text) {
  FileWriter writer(path);
  writer.write(text);
  writer.commit();
}

}  // namespace uma
