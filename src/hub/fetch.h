#pragma once
// From a source to a file of $UMA_HOME/partial that holds its bytes.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "hub/hub.h"

namespace uma::hub {

/// Tells the caller of pull how far it is, about ten times a second and at every change of stage.
class Reporter {
 public:
  explicit Reporter(const PullOptions& options) : options_(options) {}
  void stage(Progress::Stage stage, std::string source, int64_t total_bytes, int64_t done_bytes = 0);
  void at(int64_t done_bytes);
  void note(std::string_view line) const;
  int64_t downloaded_bytes = 0;

 private:
  void tell();
  const PullOptions& options_;
  Progress now_;
  std::string source_;
  std::chrono::steady_clock::time_point told_;
};

/// What is wanted, of any source.
struct Wanted {
  std::string label;   // the model's name or the address, for sentences
  std::string sha256;  // empty: not known
  int64_t bytes = 0;   // 0: not known
};

struct Fetched {
  std::filesystem::path path;
  std::string sha256;
  int64_t bytes = 0;
};

/// Fetches into folder/source-<index>.*, taking up what is there. Returns only bytes whose size and hash are
/// the wanted ones; others are removed. Throws HttpError and Error for the source's faults, LocalError for
/// this machine's, Cancelled.
Fetched fetch(const Source& source, int index, const Wanted& wanted, const std::filesystem::path& folder,
              const StoreConfig& config, const PullOptions& options, Reporter& reporter);

/// "huggingface.co" or "the Python index".
std::string source_label(const Source& source);

}  // namespace uma::hub
