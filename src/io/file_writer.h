#pragma once
// Files that appear whole or not at all.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace uma {

/// Collects bytes in a temporary file beside `path`; commit() gives it its name. Without commit, and after
/// any error, the temporary file is gone and what was at `path` is as it was.
class FileWriter {
 public:
  /// Throws Io naming the path.
  explicit FileWriter(std::string path);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  /// Throws Io (disk full, quota).
  void write(std::span<const uint8_t> bytes);
  void write(std::string_view text) { write({reinterpret_cast<const uint8_t*>(text.data()), text.size()}); }
  /// Makes it durable and visible. Throws Io.
  void commit();

 private:
  [[noreturn]] void give_up(int error);
  std::string path_, temporary_;
  int fd_ = -1;
};

/// The whole of it. Throws Io.
void write_file(const std::string& path, std::string_view text);

}  // namespace uma
