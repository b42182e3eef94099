#pragma once
// Plain text: whole characters without quotes, backslashes, controls, '<' and '['. Most tokens of a
// vocabulary are of it, and most places inside a string or a text take all of it, so it is asked once for all
// of them.
#include <string_view>

#include "grammar/configs.h"

namespace uma::grammar {

inline constexpr int kPlainCharacters = 16;  // longer tokens are looked at one by one

/// A plain text of 1 to kPlainCharacters characters.
bool is_plain(std::string_view bytes);
/// Whether every such text may come next. May say no where it is so.
bool takes_plain(Configs& configs, const Automaton& automaton, ConfigId config);

}  // namespace uma::grammar
