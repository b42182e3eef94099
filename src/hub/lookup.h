#pragma once
// Addresses of a host, with a time limit.
#include <atomic>
#include <string>
#include <vector>

namespace uma::hub {

using SocketAddress = std::vector<char>;  // the bytes of a sockaddr_in or sockaddr_in6, port 0

/// At least one address; IPv6 and IPv4 in turn, so that a network that carries only one of them loses one
/// attempt. Throws HttpError (no such host, no answer in time), Cancelled.
std::vector<SocketAddress> look_up(const std::string& host, int timeout_ms, const std::atomic<bool>* cancel);

}  // namespace uma::hub
