#include "hub/http.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <memory>

#include "hub/testing.h"

namespace uma::hub {
namespace {

using testing::EnvironmentScope;
using testing::error_of;
using testing::fake_model;
using testing::read_file;
using testing::send_file;
using testing::Server;
using testing::TempFolder;

struct Free {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
};

/// A certificate that signs itself, for one host, and the server's side of TLS with it.
class Identity {
 public:
  explicit Identity(const std::string& host, long valid_seconds = 3600) {
    key_.reset(EVP_EC_gen("P-256"));
    certificate_.reset(X509_new());
    X509* x = certificate_.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), valid_seconds > 0 ? 0 : 2 * valid_seconds);
    X509_gmtime_adj(X509_getm_notAfter(x), valid_seconds);
    X509_set_pubkey(x, key_.get());
    X509_NAME* name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1,
                               -1, 0);
    X509_set_issuer_name(x, name);
    const std::string alternative = "DNS:" + host;
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternative.c_str());
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(x, key_.get(), EVP_sha256());
    context_.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_use_certificate(context_.get(), x);
    SSL_CTX_use_PrivateKey(context_.get(), key_.get());
  }

  void write(const std::filesystem::path& path) const {
    BIO* out = BIO_new_file(path.c_str(), "w");
    PEM_write_bio_X509(out, certificate_.get());
    BIO_free(out);
  }

  /// Speaks TLS on the socket, reads a request and answers it. With `rude`, goes without a farewell.
  void answer(int fd, const std::string& text, bool rude = false) const {
    const std::unique_ptr<SSL, Free> tls(SSL_new(context_.get()));
    SSL_set_fd(tls.get(), fd);
    if (SSL_accept(tls.get()) != 1) return;
    char request[4096];
    if (SSL_read(tls.get(), request, sizeof request) <= 0) return;
    SSL_write(tls.get(), text.data(), static_cast<int>(text.size()));
    if (!rude) SSL_shutdown(tls.get());
  }

 private:
  std::unique_ptr<EVP_PKEY, Free> key_;
  std::unique_ptr<X509, Free> certificate_;
  std::unique_ptr<SSL_CTX, Free> context_;
};

class HttpTest : public ::testing::Test {
 protected:
  std::string get(const std::string& url) {
    std::string body;
    HttpOptions options;
    options.connect_timeout_ms = 2000;
    options.idle_timeout_ms = 2000;
    http_get(
        parse_url(url), {}, options, [](const HttpStart&) {},
        [&](auto bytes) { body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); });
    return body;
  }
  void expect_untrusted(const std::string& url, const std::string& words) {
    const Error e = error_of([&] { get(url); });
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
  }

  const EnvironmentScope a{"HTTPS_PROXY", nullptr}, b{"https_proxy", nullptr}, c{"HTTP_PROXY", nullptr},
      d{"http_proxy", nullptr}, e{"ALL_PROXY", nullptr}, f{"all_proxy", nullptr}, g{"NO_PROXY", nullptr},
      h{"no_proxy", nullptr};
  TempFolder folder;
};

std::string ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST_F(HttpTest, TlsNeedsACertificateThatIsTrustedAndOfThatHost) {
  const std::string body = fake_model(200'000);
  const Identity identity("localhost");
  const std::string trusted = folder.path / "trusted.pem";
  identity.write(trusted);
  Server server([&](const auto&, const auto& peer) { identity.answer(peer.fd, ok(body)); });
  server.raw = true;
  const std::string port = std::to_string(server.port());
  expect_untrusted("https://localhost:" + port + "/x", "the certificate of localhost is not trusted: self");
  const EnvironmentScope file("SSL_CERT_FILE", trusted.c_str());
  EXPECT_TRUE(get("https://localhost:" + port + "/x") == body);
  expect_untrusted("https://127.0.0.1:" + port + "/x", "127.0.0.1");
}

TEST_F(HttpTest, AnExpiredCertificateIsRefused) {
  const Identity identity("localhost", -1000);
  const std::string trusted = folder.path / "trusted.pem";
  identity.write(trusted);
  Server server([&](const auto&, const auto& peer) { identity.answer(peer.fd, ok("x")); });
  server.raw = true;
  const EnvironmentScope file("SSL_CERT_FILE", trusted.c_str());
  expect_untrusted("https://localhost:" + std::to_string(server.port()) + "/x", "expired");
}

TEST_F(HttpTest, ACutTlsStreamIsNotTakenForTheEnd) {
  const Identity identity("localhost");
  const std::string trusted = folder.path / "trusted.pem";
  identity.write(trusted);
  Server server([&](const auto&, const auto& peer) {
    identity.answer(peer.fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", true);
  });
  server.raw = true;
  const EnvironmentScope file("SSL_CERT_FILE", trusted.c_str());
  try {
    get("https://localhost:" + std::to_string(server.port()) + "/x");
    ADD_FAILURE() << "no error";
  } catch (const HttpError& error) {
    EXPECT_TRUE(error.transient());
    EXPECT_NE(std::string(error.what()).find("stopped in the middle"), std::string::npos) << error.what();
  }
}

TEST_F(HttpTest, HttpsNeverGoesOnAsHttp) {
  const Identity identity("localhost");
  const std::string trusted = folder.path / "trusted.pem";
  identity.write(trusted);
  Server server([&](const auto&, const auto& peer) {
    identity.answer(peer.fd,
                    "HTTP/1.1 302 Found\r\nLocation: http://localhost/\r\nContent-Length: 0\r\n\r\n");
  });
  server.raw = true;
  const EnvironmentScope file("SSL_CERT_FILE", trusted.c_str());
  expect_untrusted("https://localhost:" + std::to_string(server.port()) + "/x", "from https to http");
}

TEST_F(HttpTest, PlainHttpGoesThroughAProxy) {
  Server proxy([&](const auto&, const auto& peer) { peer.send(ok("through")); });
  const std::string address = "http://u:p@127.0.0.1:" + std::to_string(proxy.port());
  const EnvironmentScope scope("http_proxy", address.c_str());
  EXPECT_EQ(get("http://example.invalid/x?y"), "through");
  ASSERT_EQ(proxy.requests().size(), 1u);
  EXPECT_TRUE(proxy.requests()[0].starts_with("GET http://example.invalid/x?y HTTP/1.1\r\n"));
  EXPECT_NE(proxy.requests()[0].find("Proxy-Authorization: Basic dTpw\r\n"), std::string::npos);
}

TEST_F(HttpTest, TlsGoesThroughATunnel) {
  const Identity identity("example.invalid");
  const std::string trusted = folder.path / "trusted.pem";
  identity.write(trusted);
  Server proxy([&](const auto& request, const auto& peer) {
    if (!request.starts_with("CONNECT example.invalid:443 HTTP/1.1\r\n")) return;
    peer.send("HTTP/1.1 200 Connection established\r\n\r\n");
    identity.answer(peer.fd, ok("tunnelled"));
  });
  const std::string address = "http://127.0.0.1:" + std::to_string(proxy.port());
  const EnvironmentScope scope("https_proxy", address.c_str()), file("SSL_CERT_FILE", trusted.c_str());
  EXPECT_EQ(get("https://example.invalid/x"), "tunnelled");
}

TEST_F(HttpTest, AProxyThatRefusesIsNamed) {
  Server proxy(
      [&](const auto&, const auto& peer) { peer.send("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"); });
  const std::string address = "http://u:secret@127.0.0.1:" + std::to_string(proxy.port());
  const EnvironmentScope scope("https_proxy", address.c_str());
  const Error e = error_of([&] { get("https://example.invalid/x"); });
  EXPECT_NE(std::string(e.what()).find("the proxy 127.0.0.1 refused example.invalid: status 407"),
            std::string::npos)
      << e.what();
  EXPECT_EQ(std::string(e.what()).find("secret"), std::string::npos);
}

TEST_F(HttpTest, ATrickleIsTooSlow) {
  Server server([&](const auto&, const auto& peer) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    for (int i = 0; i < 1000 && !peer.stop; ++i) {
      peer.send("x");
      peer.wait(20);
    }
  });
  HttpOptions options;
  options.min_bytes_per_window = 100;
  options.window_ms = 200;
  const Error e = error_of([&] {
    http_get(
        parse_url(server.url("/x")), {}, options, [](const HttpStart&) {}, [](auto) {});
  });
  EXPECT_NE(std::string(e.what()).find("too slow: less than 100 bytes in 200 ms"), std::string::npos)
      << e.what();
}

}  // namespace
}  // namespace uma::hub
