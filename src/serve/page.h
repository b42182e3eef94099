#pragma once
// The chat page, which lies in page/ as HTML, CSS and JavaScript and is compiled in.
#include <string_view>

#include "serve/api.h"

namespace uma::serve {

/// Whether an Accept header asks for HTML by name: browsers do, API clients do not.
bool wants_page(std::string_view accept);

/// The page as one file that loads nothing else. Its Content-Security-Policy lets its own style and script
/// run, by their hashes, and talk to this server only.
HttpReply chat_page();

// The parts; the style and the script go into their empty elements in the HTML.
extern const std::string_view kPageHtml, kPageStyle, kPageScript;

}  // namespace uma::serve
