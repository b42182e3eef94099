// TLS and CORS, asked by OpenSSL's own client.
#include <cstdio>

#include "hub/testing.h"
#include "serve/testing.h"

namespace uma::serve {
namespace {

using testing::TestServer;

std::string output_of(const std::string& command) {
  std::string out;
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  ::pclose(pipe);
  return out;
}

struct Certificates {
  hub::testing::TempFolder folder;
  std::string path(const char* name) const { return (folder.path / name).string(); }
  Certificates() {
    make("server");
    make("client");
    make("stranger");
  }
  void make(const std::string& name) const {
    output_of(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "
        "/CN=localhost -keyout " +
        path((name + ".key").c_str()) + " -out " + path((name + ".pem").c_str()));
  }
};

/// What a request over TLS brings.
std::string ask(const TestServer& s, const std::string& flags, const std::string& method = "GET",
                const std::string& path = "/health", const std::string& body = "") {
  return output_of("printf '" + testing::request(method, path, body, "Connection: close\\r\\n") +
                   "' | timeout 20 openssl s_client -quiet -no_ign_eof -ign_eof -connect 127.0.0.1:" +
                   std::to_string(s.port()) + " " + flags);
}

TEST(ServeTls, AnswersByTls12AndNewerOnly) {
  Certificates c;
  TestServer s([&](ServerOptions& o) {
    o.http.tls_cert = c.path("server.pem");
    o.http.tls_key = c.path("server.key");
  });
  const std::string trust = "-CAfile " + c.path("server.pem") + " -verify_return_error";
  EXPECT_NE(ask(s, trust).find("{\"status\":\"ok\"}"), std::string::npos) << ask(s, trust);
  EXPECT_NE(ask(s, trust + " -tls1_2").find("200 OK"), std::string::npos);
  EXPECT_EQ(ask(s, trust + " -tls1_1 -cipher ALL:@SECLEVEL=0").find("200 OK"), std::string::npos);
  const std::string streamed =
      ask(s, trust, "POST", "/api/generate", R"({"model":"tiny","prompt":"x","options":{"num_predict":20}})");
  EXPECT_NE(streamed.find("\"done\":true"), std::string::npos) << streamed;
  // Bytes that are no TLS end the connection, and nobody else's.
  testing::Client plain(s.port());
  plain.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(plain.read_until("").find("HTTP/1.1 200"), std::string::npos);
  EXPECT_NE(ask(s, trust).find("200 OK"), std::string::npos);
}

TEST(ServeTls, ClientsMayNeedACertificateOfTheirOwn) {
  Certificates c;
  TestServer s([&](ServerOptions& o) {
    o.http.tls_cert = c.path("server.pem");
    o.http.tls_key = c.path("server.key");
    o.http.tls_client_ca = c.path("client.pem");
  });
  const auto as = [&](const char* name) {
    return "-cert " + c.path((std::string(name) + ".pem").c_str()) + " -key " +
           c.path((std::string(name) + ".key").c_str());
  };
  EXPECT_NE(ask(s, as("client")).find("200 OK"), std::string::npos) << ask(s, as("client"));
  EXPECT_EQ(ask(s, "").find("200 OK"), std::string::npos);
  EXPECT_EQ(ask(s, as("stranger")).find("200 OK"), std::string::npos);
}

TEST(ServeTls, FilesThatDoNotDoAreSaid) {
  Certificates c;
  const auto refused = [&](const std::string& cert, const std::string& key, const std::string& ca,
                           const std::string& words) {
    const Error e = hub::testing::error_of([&] {
      TestServer s([&](ServerOptions& o) {
        o.http.tls_cert = cert;
        o.http.tls_key = key;
        o.http.tls_client_ca = ca;
      });
    });
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
  };
  refused("/nowhere.pem", c.path("server.key"), "", "'/nowhere.pem' holds no certificate");
  refused(c.path("server.pem"), c.path("client.key"), "", "holds no key of that certificate");
  refused(c.path("server.pem"), c.path("server.key"), c.path("client.key"),
          "holds no certificates of authorities");
}

TEST(ServeCors, OnlyOriginsThatWereNamedMayAsk) {
  TestServer s([](ServerOptions& o) { o.http.origins = {"https://app.example"}; });
  const auto allowed = s.ask("GET", "/api/tags", "", "Origin: https://app.example\r\n");
  EXPECT_EQ(allowed.status, 200);
  EXPECT_NE(allowed.head.find("Access-Control-Allow-Origin: https://app.example\r\n"), std::string::npos);
  EXPECT_NE(allowed.head.find("Vary: Origin\r\n"), std::string::npos);
  const auto before = s.ask("OPTIONS", "/v1/chat/completions", "",
                            "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n");
  EXPECT_EQ(before.status, 200);
  EXPECT_NE(before.head.find("Access-Control-Allow-Methods: "), std::string::npos);
  const auto streamed =
      s.ask("POST", "/api/generate", R"({"model":"tiny","prompt":"x","options":{"num_predict":2}})",
            "Origin: https://app.example\r\n");
  EXPECT_NE(streamed.head.find("Access-Control-Allow-Origin: "), std::string::npos);
  for (const char* other : {"https://app.example.evil", "http://app.example", "null", "https://APP.example"})
    EXPECT_EQ(s.ask("GET", "/api/tags", "", std::string("Origin: ") + other + "\r\n").status, 403) << other;
  EXPECT_EQ(s.ask("GET", "/api/tags").head.find("Access-Control"), std::string::npos);
}

}  // namespace
}  // namespace uma::serve
