#pragma once
// Files of the store: a hash, a lock that outlives no process, a file that is written and hashed at once.
#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"

namespace uma::hub {

/// This machine's fault, not a source's: a full disk is no reason to try the next source.
class LocalError : public Error {
 public:
  using Error::Error;
};

/// Throws Cancelled once the flag is set.
void check_cancel(const std::atomic<bool>* cancel);

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const uint8_t> bytes);
  /// The digest of all updates; afterwards the object starts anew.
  std::array<uint8_t, 32> digest();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string to_hex(std::span<const uint8_t> bytes);
std::string sha256_hex(std::string_view text);
bool is_sha256_hex(std::string_view text);

using OnBytes = std::function<void(int64_t)>;  // how far a long job has come

/// SHA-256 of a file in hex. Throws Io, Cancelled.
std::string hash_file(const std::filesystem::path& path, const OnBytes& on_bytes,
                      const std::atomic<bool>* cancel);

/// Makes folders. Throws LocalError.
void make_folders(const std::filesystem::path& path);

/// Flushes a folder's entries, so that a rename in it survives a power cut.
void sync_folder(const std::filesystem::path& path);

/// Bytes that can be written in this folder's file system; INT64_MAX where that is not known.
int64_t free_bytes(const std::filesystem::path& folder);

/// An exclusive advisory lock on a file of its own, freed by the kernel when its process ends.
class FileLock {
 public:
  /// Waits for it; on_wait is called once if another holds it. Throws LocalError, Cancelled.
  FileLock(const std::filesystem::path& path, const std::function<void()>& on_wait,
           const std::atomic<bool>* cancel);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

/// A file that grows at its end while its hash is kept, and that may have been begun by an earlier process.
class PartFile {
 public:
  /// max_bytes: 0 for no limit. Throws LocalError; Cancelled while it hashes what is there.
  PartFile(std::filesystem::path path, int64_t max_bytes, const OnBytes& on_bytes,
           const std::atomic<bool>* cancel);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  int64_t size() const { return size_; }
  const std::filesystem::path& path() const { return path_; }
  /// Throws LocalError if the disk is full or a limit of this process is reached, Format past max_bytes.
  void append(std::span<const uint8_t> bytes);
  /// Cuts the file to its first `size` bytes.
  void rewind(int64_t size);
  /// Writes it all to the disk and returns the hash in hex.
  std::string finish();

 private:
  void hash_existing();
  [[noreturn]] void fail_write(int error) const;

  std::filesystem::path path_;
  int fd_ = -1;
  int64_t size_ = 0;
  int64_t max_bytes_ = 0;
  OnBytes on_bytes_;
  const std::atomic<bool>* cancel_;
  Sha256 hash_;
};

}  // namespace uma::hub
