#pragma once
// HTTP/1.1 as it is written, and the rules about who may ask.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api.h"

namespace uma::serve {

/// Status line and headers. length: of the body; none: it comes in chunks, or until the end where `chunked`
/// is false.
std::string reply_head(const HttpReply& reply, std::optional<size_t> length, bool chunked, bool keep_alive);
/// Bytes as one chunk; not for empty ones, which would end the body.
std::string chunk_of(std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

/// Whether a Host header names this machine. A page of another site that had its name point here (DNS
/// rebinding) sends that name: so names are only those below localhost and those given, and any address is
/// taken. names: lower case.
bool host_is_ours(std::string_view host, const std::vector<std::string>& names);

/// Whether a page of this origin may ask: only our own. No Origin header: no page asks.
bool origin_is_ours(std::string_view origin, std::string_view host);

/// %3A made the colon that it stands for: some clients write names and digests so. Anything else stays.
std::string with_colons(std::string_view text);

}  // namespace uma::serve
