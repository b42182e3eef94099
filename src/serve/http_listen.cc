// Where a server listens, with which certificates, and whom it takes.
#include "serve/http_impl.h"

namespace uma::serve {

void HttpServer::Impl::read_certificates() {
  if (options.tls_cert.empty()) return;
  using Context = asio::ssl::context;
  tls.emplace(Context::tls_server);
  ::SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
  tls->set_options(Context::no_compression | Context::single_dh_use);
  error_code error;
  const auto need = [&](const std::string& path, const char* what) {
    check(!error, ErrorCode::kInvalidArgument, "serve", "'{}' holds no {} that can be used: {}", path, what,
          error.message());
  };
  tls->use_certificate_chain_file(options.tls_cert, error);
  need(options.tls_cert, "certificate");
  tls->use_private_key_file(options.tls_key, Context::pem, error);
  need(options.tls_key, "key of that certificate");
  if (options.tls_client_ca.empty()) return;
  tls->load_verify_file(options.tls_client_ca, error);
  need(options.tls_client_ca, "certificates of authorities");
  tls->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
}

void HttpServer::Impl::listen() {
  error_code error;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(options.host, std::to_string(options.port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, error);
  check(!error && !found.empty(), ErrorCode::kIo, "serve", "'{}' is no address of this machine",
        options.host);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  check(!options.loopback_only || endpoint.address().is_loopback(), ErrorCode::kInvalidArgument, "serve",
        "{} can be reached from other machines: that takes --keys and --tls-cert, or --insecure, which says "
        "that you "
        "want it without",
        options.host);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  check(!error, ErrorCode::kIo, "serve", "cannot listen on {}, port {}: {}", options.host, options.port,
        error.message());
  port = acceptor.local_endpoint().port();
}

Awaitable<void> HttpServer::Impl::accept() {
  while (!closing) {
    error_code error;
    tcp::socket socket(io);
    co_await acceptor.async_accept(socket, or_error(error));
    if (closing) break;
    if (error) {  // too many open files, perhaps: those who wait in the backlog wait on
      error_code ignored;
      pause.expires_after(kLookForPeer);
      co_await pause.async_wait(or_error(ignored));
      continue;
    }
    if (static_cast<int64_t>(connections.size()) >= options.max_connections) continue;  // closed at once
    socket.set_option(tcp::no_delay(true), error);
    if (options.send_buffer_bytes > 0)
      socket.set_option(asio::socket_base::send_buffer_size(options.send_buffer_bytes), error);
    asio::co_spawn(io, serve(std::make_shared<Connection>(std::move(socket), tls ? &*tls : nullptr)),
                   asio::detached);
  }
}

}  // namespace uma::serve
