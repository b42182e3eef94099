#pragma once
// A file in memory, which readers map by its path like any other; and what every Error must be.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"

/// Ends the process unless it is one line, and not a bug of ours. op: of which tag; "" of any.
inline void expect_sentence(const uma::Error& e, std::string_view op) {
  if ((op.empty() || e.op() == op) && e.code() != uma::ErrorCode::kInternal && !e.message().empty() &&
      e.message().find('\n') == std::string_view::npos)
    return;
  std::fprintf(stderr, "not an error that may come of a file: %s\n", e.what());
  std::abort();
}

class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : fd_(memfd_create("fuzz", MFD_CLOEXEC)) {
    if (fd_ < 0 || write(fd_, data, size) != static_cast<ssize_t>(size)) std::abort();
    path_ = "/proc/self/fd/" + std::to_string(fd_);
  }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  int fd_;
  std::string path_;
};
