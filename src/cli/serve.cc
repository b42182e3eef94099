#include "serve/server.h"

#include <sys/resource.h>

#include <charconv>
#include <cstdlib>

#include "base/ascii.h"
#include "base/error.h"
#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/version.h"
#include "hub/url.h"
#include "serve/clock.h"

namespace uma::cli {
namespace {

constexpr int kPort = 11434;

struct Address {
  std::string host;
  int port = -1;
};

/// OLLAMA_HOST: [http://]host[:port][/], where the host may be missing and an IPv6 one wears brackets.
Address parse_ollama_host(std::string_view text) {
  Address address;
  if (const size_t at = text.find("://"); at != std::string_view::npos) text.remove_prefix(at + 3);
  text = text.substr(0, text.find('/'));
  const size_t bracket = text.starts_with('[') ? text.find(']') : std::string_view::npos;
  const size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  address.host = text.substr(0, colon);
  if (bracket != std::string_view::npos) address.host = text.substr(1, bracket - 1);
  if (colon == std::string_view::npos) return address;
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size() || address.port < 0 || address.port > 65535)
    throw UsageError("serve", fmt::format("OLLAMA_HOST names port '{}', which is none", printable(port)));
  return address;
}

Address address_of(const ServeOptions& o) {
  const char* variable = std::getenv("OLLAMA_HOST");
  Address address = variable ? parse_ollama_host(variable) : Address{};
  if (!o.host.empty()) address.host = o.host;
  if (o.port >= 0) address.port = o.port;
  if (address.host.empty()) address.host = "127.0.0.1";
  if (address.port < 0) address.port = kPort;
  return address;
}

std::pair<std::string, std::string> parse_model(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    throw UsageError("serve", fmt::format("--model takes NAME=FILE, not '{}'", printable(text)));
  return {text.substr(0, equals), find_local(text.substr(equals + 1))};
}

/// A connection is an open file, and systems start programs with room for few.
void raise_file_limit() {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);  // what cannot be had is not needed by most
}

/// An origin is a scheme and a host, as browsers send it.
void check_origin(const std::string& origin) {
  const size_t at = origin.find("://");
  const bool good = (origin.starts_with("https://") || origin.starts_with("http://")) &&
                    origin.size() > at + 3 && origin.find_first_of("/*?# ", at + 3) == std::string::npos;
  if (!good)
    throw UsageError("serve", fmt::format("--cors takes an origin such as https://app.example, not '{}'",
                                          printable(origin)));
}

void read_security(const ServeOptions& o, serve::ServerOptions& options) {
  if (o.tls_cert.empty() != o.tls_key.empty())
    throw UsageError("serve", "--tls-cert and --tls-key go together");
  if (o.tls_cert.empty() && !o.tls_client_ca.empty())
    throw UsageError("serve", "--tls-client-ca needs --tls-cert");
  for (const std::string& origin : o.origins) check_origin(origin);
  options.http.tls_cert = o.tls_cert;
  options.http.tls_key = o.tls_key;
  options.http.tls_client_ca = o.tls_client_ca;
  options.http.origins = o.origins;
  options.keys = o.keys;
  options.http.loopback_only = !o.insecure && !(o.keys && !o.tls_cert.empty());
}

serve::ServerOptions server_options(const ServeOptions& o) {
  serve::ServerOptions options;
  const Address address = address_of(o);
  options.http.host = address.host;
  options.http.port = static_cast<uint16_t>(address.port);
  read_security(o, options);
  for (const std::string& name : o.allowed_hosts) options.http.host_names.push_back(ascii_lower(name));
  const auto seconds = o.keep_alive == "-1" ? -1 : serve::parse_duration(o.keep_alive);
  if (!seconds) throw UsageError("serve", "--keep-alive takes a duration such as 5m or 1h30m, or -1");
  options.pool.keep_alive = serve::keep_alive_of(*seconds);
  options.pool.max_models = o.max_models;
  options.pool.model = model_options(o.precision);
  options.pool.scheduler.parallel = o.parallel;
  options.pool.scheduler.queue = o.queue;
  options.pool.scheduler.context = o.ctx;
  for (const std::string& text : o.models) options.models.push_back(parse_model(text));
  options.version = kVersion;
  options.offline = o.offline;
  if (!o.push_to.empty()) options.push = {hub::parse_url(o.push_to).text(), push_key()};
  options.log = [](std::string_view line) { note(fmt::format("uma: {}", printable(line))); };
  return options;
}

}  // namespace

int serve(const ServeOptions& o) {
  raise_file_limit();
  serve::ServerOptions options = server_options(o);
  std::string host = options.http.host;
  if (host.find(':') != std::string::npos) host = fmt::format("[{}]", host);
  serve::Server server(std::move(options));
  const std::string url =
      fmt::format("{}://{}:{}", o.tls_cert.empty() ? "http" : "https", host, server.port());
  if (o.insecure && !o.keys) note("uma: --insecure: whoever reaches this address may use it");
  note(fmt::format("uma: serving on {} (Ctrl-C ends)", url));
  if (o.json) {
    outf("{{\"url\":\"{}\",\"port\":{}}}\n", url, server.port());
    flush();
  }
  server.run(true);
  note("uma: stopped");
  return 0;
}

}  // namespace uma::cli
