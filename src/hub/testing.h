#pragma once
// For the tests of this folder: a folder that goes away, a server that does as it is told, small wheels.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zip.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "hub/catalogue.h"
#include "hub/files.h"

namespace uma::hub::testing {

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "uma-hub-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) std::abort();
    path = pattern;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

class EnvironmentScope {
 public:
  EnvironmentScope(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before, had_ = true;
    if (value) {
      ::setenv(name, value, 1);
    } else {
      ::unsetenv(name);
    }
  }
  ~EnvironmentScope() {
    if (had_) {
      ::setenv(name_, before_.c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  EnvironmentScope(const EnvironmentScope&) = delete;

 private:
  const char* name_;
  std::string before_;
  bool had_ = false;
};

/// A GGUF file without keys and tensors, and behind it bytes that look random.
inline std::string fake_model(size_t size, uint32_t seed = 1) {
  std::string bytes("GGUF\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
  uint32_t x = seed * 2654435761u + 12345;
  while (bytes.size() < size) {
    x ^= x << 13, x ^= x >> 17, x ^= x << 5;
    bytes += static_cast<char>(x);
  }
  bytes.resize(size);
  return bytes;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// How many regular files lie under a folder.
inline int count_files(const std::filesystem::path& folder) {
  int count = 0;
  if (!std::filesystem::exists(folder)) return 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    count += entry.is_regular_file();
  return count;
}

/// Runs f and returns the error it throws; fails the test if it throws none.
template <class F>
Error error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error(ErrorCode::kInternal, "test", "none");
}

/// Answers each connection with what the handler sends; then closes it.
class Server {
 public:
  struct Peer {
    int fd;
    const std::atomic<bool>& stop;
    void send(std::string_view bytes) const {
      while (!bytes.empty()) {
        const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0) return;
        bytes.remove_prefix(static_cast<size_t>(n));
      }
    }
    /// Sends nothing, until the time is over or the other side has gone.
    void wait(int milliseconds) const {
      for (int i = 0; i < milliseconds && !stop; i += 5) {
        struct pollfd gone {
          fd, POLLRDHUP, 0
        };
        if (::poll(&gone, 1, 5) > 0) return;
      }
    }
  };
  using Handler = std::function<void(const std::string& request, const Peer& peer)>;

  explicit Server(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      std::abort();
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
  }

  int port() const { return port_; }
  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  std::vector<std::string> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  /// Whether connections are handled without reading a request first (TLS).
  bool raw = false;

 private:
  void serve() {
    while (!stop_) {
      struct pollfd ready {
        listener_, POLLIN, 0
      };
      if (::poll(&ready, 1, 10) <= 0) continue;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      std::string request;
      char buffer[4096];
      while (!raw && request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
        if (n <= 0) break;
        request.append(buffer, static_cast<size_t>(n));
      }
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      handler_(request, Peer{fd, stop_});
      ::close(fd);
    }
  }

  Handler handler_;
  int listener_ = -1, port_ = 0;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

/// The first byte that a request's Range header asks for; 0 if it has none.
inline size_t range_of(const std::string& request) {
  const size_t at = request.find("Range: bytes=");
  return at == std::string::npos ? 0 : std::stoul(request.substr(at + 13));
}

/// A correct answer with the file, or its rest if a range is asked for; cut after `limit` bytes of body.
inline void send_file(const std::string& request, const Server::Peer& peer, const std::string& file,
                      size_t limit = std::string::npos, const std::string& etag = "\"v1\"") {
  const size_t from = range_of(request);
  const bool same = request.find("If-Range: ") == std::string::npos ||
                    request.find("If-Range: " + etag) != std::string::npos;
  const size_t begin = same ? from : 0;
  std::string head = begin > 0 ? "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " +
                                     std::to_string(begin) + "-" + std::to_string(file.size() - 1) + "/" +
                                     std::to_string(file.size()) + "\r\n"
                               : "HTTP/1.1 200 OK\r\n";
  head += "ETag: " + etag + "\r\nContent-Length: " + std::to_string(file.size() - begin) + "\r\n\r\n";
  peer.send(head + file.substr(begin).substr(0, limit));
}

inline std::string base64url_sha256(const std::string& bytes) {
  Sha256 hash;
  hash.update({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  const auto digest = hash.digest();
  std::string text;
  uint32_t bits = 0;
  int count = 0;
  for (const uint8_t b : digest) {
    bits = bits << 8 | b;
    for (count += 8; count >= 6; count -= 6)
      text += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[bits >> (count - 6) & 63];
  }
  if (count > 0)
    text += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[bits << (6 - count) & 63];
  return text;
}

/// Writes a zip of (name, bytes).
inline void write_zip(const std::filesystem::path& path,
                      const std::vector<std::pair<std::string, std::string>>& members,
                      int method = ZIP_CM_DEFLATE) {
  std::filesystem::create_directories(path.parent_path());
  int error = 0;
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &error);
  ASSERT_NE(zip, nullptr);
  for (const auto& [name, bytes] : members) {
    zip_source_t* source = zip_source_buffer(zip, bytes.data(), bytes.size(), 0);
    const zip_int64_t index = zip_file_add(zip, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    ASSERT_GE(index, 0);
    ASSERT_EQ(zip_set_file_compression(zip, static_cast<zip_uint64_t>(index), method, 0), 0);
  }
  ASSERT_EQ(zip_close(zip), 0);
}

/// A wheel that pip takes, with one data file. Returns its path.
inline std::filesystem::path write_wheel(const std::filesystem::path& folder, const std::string& module,
                                         const std::string& member, const std::string& bytes,
                                         int method = ZIP_CM_DEFLATE) {
  const std::string info = module + "-1.0.dist-info/";
  const std::string metadata = "Metadata-Version: 2.1\nName: " + module + "\nVersion: 1.0\n";
  const std::string wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
  std::string record;
  for (const auto& [name, data] : {std::pair<std::string, std::string>{member, bytes},
                                   {info + "METADATA", metadata},
                                   {info + "WHEEL", wheel}})
    record += name + ",sha256=" + base64url_sha256(data) + "," + std::to_string(data.size()) + "\n";
  record += info + "RECORD,,\n";
  const std::filesystem::path path = folder / (module + "-1.0-py3-none-any.whl");
  write_zip(
      path,
      {{member, bytes}, {info + "METADATA", metadata}, {info + "WHEEL", wheel}, {info + "RECORD", record}},
      method);
  return path;
}

/// A catalogue row for the bytes, without sources.
inline CatalogueRow row_for(const std::string& name, const std::string& bytes) {
  CatalogueRow row;
  row.name = name;
  row.licence = "MIT";
  row.description = "for a test";
  row.sha256 = sha256_hex(bytes);
  row.bytes = static_cast<int64_t>(bytes.size());
  return row;
}

}  // namespace uma::hub::testing
