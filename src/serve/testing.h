#pragma once
// For the tests of this folder: a server on a free port of the loopback over tiny models, and a client that
// sends bytes as they are told.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "backend/install.h"
#include "serve/server.h"

namespace uma::serve::testing {

using namespace std::chrono_literals;
using OrderedJson = nlohmann::ordered_json;

class Client {
 public:
  explicit Client(uint16_t port, int receive_buffer = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      ADD_FAILURE() << "cannot connect: " << std::strerror(errno);
  }
  ~Client() { close(); }
  Client(const Client&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  void end_sending() { ::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  /// Reads until the text holds `mark`, or to the end of the connection for "". Fails after 30 s.
  std::string read_until(const std::string& mark) {
    const auto give_up = std::chrono::steady_clock::now() + 30s;
    while (mark.empty() || received_.find(mark) == std::string::npos) {
      struct pollfd ready {
        fd_, POLLIN, 0
      };
      ::poll(&ready, 1, 100);
      if (std::chrono::steady_clock::now() > give_up) {
        ADD_FAILURE() << "no '" << mark << "' came: " << received_.substr(0, 2000);
        break;
      }
      char buffer[16384];
      const ssize_t n = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) continue;
      if (n <= 0) {
        closed_ = true;
        break;
      }
      received_.append(buffer, static_cast<size_t>(n));
    }
    const size_t at = mark.empty() ? std::string::npos : received_.find(mark);
    const size_t end = at == std::string::npos ? received_.size() : at + mark.size();
    std::string out = received_.substr(0, end);
    received_.erase(0, end);
    return out;
  }
  bool closed() const { return closed_; }

  struct Response {
    int status = 0;
    std::string head, body;
    OrderedJson json() const { return OrderedJson::parse(body); }
  };
  /// One response, its chunks joined.
  Response response(bool head_only = false) {
    Response r;
    r.head = read_until("\r\n\r\n");
    if (r.head.size() < 12) return r;
    r.status = std::atoi(r.head.c_str() + 9);
    if (head_only) return r;
    if (const size_t at = r.head.find("Content-Length: "); at != std::string::npos) {
      const size_t length = std::stoul(r.head.substr(at + 16));
      while (r.body.size() < length && !closed_) r.body += read_some(length - r.body.size());
    } else if (r.head.find("chunked") != std::string::npos) {
      for (;;) {
        const size_t size = std::stoul(read_until("\r\n"), nullptr, 16);
        std::string chunk;
        while (chunk.size() < size + 2 && !closed_) chunk += read_some(size + 2 - chunk.size());
        if (size == 0 || closed_) break;
        r.body += chunk.substr(0, size);
      }
    } else {
      r.body = read_until("");
    }
    return r;
  }

 private:
  std::string read_some(size_t most) {
    if (received_.empty()) {
      struct pollfd ready {
        fd_, POLLIN, 0
      };
      char buffer[16384];
      const ssize_t n = ::poll(&ready, 1, 30000) > 0 ? ::recv(fd_, buffer, sizeof buffer, 0) : 0;
      if (n <= 0) {
        closed_ = true;
        return {};
      }
      received_.append(buffer, static_cast<size_t>(n));
    }
    std::string out = received_.substr(0, most);
    received_.erase(0, out.size());
    return out;
  }

  int fd_ = -1;
  std::string received_;
  bool closed_ = false;
};

inline std::string request(const std::string& method, const std::string& path, const std::string& body = "",
                           const std::string& headers = "") {
  return method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers +
         (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body;
}

/// A server in a thread, with a store of its own that holds nothing.
class TestServer {
 public:
  explicit TestServer(const std::function<void(ServerOptions&)>& change = {}) {
    install_backends();
    std::string pattern = (std::filesystem::temp_directory_path() / "uma-serve-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) std::abort();
    folder = pattern;
    ServerOptions options;
    options.store.home = folder / "home";
    options.version = "0.0-test";
    options.pool.model.exact = true;
    options.http.grace = 200ms;
    options.models = {{"tiny", golden("qwen2")}, {"long:1", long_model()}};
    if (change) change(options);
    server.emplace(std::move(options));
    thread_ = std::thread([this] { server->run(false); });
  }
  ~TestServer() {
    stop();
    server.reset();
    std::filesystem::remove_all(folder);
  }
  void stop() {
    if (!thread_.joinable()) return;
    server->stop();
    thread_.join();
  }

  static std::string golden(const std::string& name) {
    return std::string(UMA_SOURCE_DIR) + "/tests/golden/models/" + name + ".gguf";
  }
  /// The tiny model with a context so long that an answer does not end by itself.
  std::string long_model() const {
    std::ifstream in(golden("qwen2"), std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const std::string key = "qwen2.context_length";
    const uint32_t context = 1 << 20;
    std::memcpy(bytes.data() + bytes.find(key) + key.size() + 4, &context, sizeof context);
    const std::filesystem::path path = folder / "long.gguf";
    std::ofstream(path, std::ios::binary) << bytes;
    return path.string();
  }

  /// A model file with a chat template; the metadata grows by a multiple of the tensors' alignment.
  std::string with_template(const std::string& model, std::string source) const {
    std::ifstream in(model, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const std::string key = "tokenizer.chat_template";
    const auto number = [](auto n) { return std::string(reinterpret_cast<const char*>(&n), sizeof n); };
    while ((8 + key.size() + 4 + 8 + source.size() + 4) % 32 != 0) source += ' ';
    source.insert(source.find_last_not_of(' ') + 1, "{#");
    source += "#}";
    uint64_t entries = 0;
    std::memcpy(&entries, bytes.data() + 16, sizeof entries);
    bytes.replace(16, 8, number(entries + 1));
    bytes.insert(24, number(uint64_t{key.size()}) + key + number(uint32_t{8}) +
                         number(uint64_t{source.size()}) + source);
    const std::filesystem::path path = folder / "template.gguf";
    std::ofstream(path, std::ios::binary) << bytes;
    return path.string();
  }

  uint16_t port() const { return server->port(); }
  Client::Response ask(const std::string& method, const std::string& path, const std::string& body = "",
                       const std::string& headers = "") const {
    Client client(port());
    client.send(request(method, path, body, headers));
    return client.response(method == "HEAD");
  }
  /// A figure of /metrics, summed over its labels.
  double metric(const std::string& name) const {
    const std::string text = ask("GET", "/metrics").body;
    double sum = 0;
    for (size_t at = 0; (at = text.find("\n" + name, at)) != std::string::npos; ++at) {
      const char after = text[at + 1 + name.size()];
      if (after == ' ' || after == '{') sum += std::stod(text.substr(text.find(' ', at + 1)));
    }
    return sum;
  }
  template <class F>
  static void eventually(F f) {
    for (int i = 0; i < 3000 && !f(); ++i) std::this_thread::sleep_for(10ms);
    EXPECT_TRUE(f());
  }

  std::filesystem::path folder;
  std::optional<Server> server;

 private:
  std::thread thread_;
};

/// Fields that make the tiny model say one letter for ever.
inline constexpr const char* kEndless = R"("logit_bias":{"65":100},"temperature":0)";

}  // namespace uma::serve::testing
