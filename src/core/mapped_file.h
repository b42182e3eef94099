#pragma once
// A file mapped read-only. A file that shrinks while it is mapped is a fault of its reader on Linux
// (SIGBUS); here the missing pages read as zeros, and the next check() throws.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace uma {

class MappedFile {
 public:
  /// Maps the whole file. Throws Io naming the path: missing, a directory, not a regular file (/dev/random
  /// never ends), unreadable. An empty file gives an empty span.
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

  /// Throws Io if the file was found shorter than it was when mapped.
  void check() const;
  /// check() for every file mapped now: what eval calls after it has read weights.
  static void check_all();

 private:
  MappedFile() = default;
  std::string path_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  int slot_ = -1;  // in the table that the signal handler reads
};

}  // namespace uma
