#include "grammar/plain.h"

#include <algorithm>
#include <span>
#include <vector>

#include "text/utf8.h"

namespace uma::grammar {
namespace {

// Where more sets of states than these are met, the tokens are looked at one by one.
constexpr size_t kMaxConfigs = 32;

bool is_plain_ascii(uint8_t byte) {
  return byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\' && byte != '<' && byte != '[';
}

struct Bytes {
  uint8_t first, last;
};
/// Characters of several bytes (Unicode, table 3-7): the first byte, and those that follow it.
struct Form {
  Bytes bytes[4];
  size_t size;
};
constexpr Bytes kMore{0x80, 0xbf};
constexpr Form kForms[] = {{{{0xc2, 0xdf}, kMore}, 2},
                           {{{0xe0, 0xe0}, {0xa0, 0xbf}, kMore}, 3},
                           {{{0xe1, 0xec}, kMore, kMore}, 3},
                           {{{0xed, 0xed}, {0x80, 0x9f}, kMore}, 3},
                           {{{0xee, 0xef}, kMore, kMore}, 3},
                           {{{0xf0, 0xf0}, {0x90, 0xbf}, kMore, kMore}, 4},
                           {{{0xf1, 0xf3}, kMore, kMore, kMore}, 4},
                           {{{0xf4, 0xf4}, {0x80, 0x8f}, kMore, kMore}, 4}};

class Search {
 public:
  Search(Configs& configs, const Automaton& automaton) : configs_(configs), automaton_(automaton) {}

  /// Adds what every plain character leads to. False where one leads nowhere, or too much is met.
  bool after(ConfigId config) {
    int known = -1;
    for (int b = 0; b < 0x80; ++b) {
      const auto byte = static_cast<uint8_t>(b);
      if (!is_plain_ascii(byte) || automaton_.class_of[byte] == known) continue;
      known = automaton_.class_of[byte];
      if (!reach(configs_.step(config, byte))) return false;
    }
    for (const Form& form : kForms)
      if (!follow(config, {form.bytes, form.size})) return false;
    return true;
  }
  std::vector<ConfigId> found;

 private:
  bool reach(ConfigId config) {
    if (config == kDead) return false;
    if (std::find(found.begin(), found.end(), config) == found.end()) found.push_back(config);
    return found.size() <= kMaxConfigs;
  }
  bool follow(ConfigId config, std::span<const Bytes> bytes) {
    if (config == kDead) return false;
    if (bytes.empty()) return reach(config);
    int known = -1;
    for (int b = bytes[0].first; b <= bytes[0].last; ++b) {
      const auto byte = static_cast<uint8_t>(b);
      if (automaton_.class_of[byte] == known) continue;
      known = automaton_.class_of[byte];
      if (!follow(configs_.step(config, byte), bytes.subspan(1))) return false;
    }
    return true;
  }

  Configs& configs_;
  const Automaton& automaton_;
};

}  // namespace

bool is_plain(std::string_view bytes) {
  int characters = 0;
  for (size_t at = 0; at < bytes.size(); ++characters) {
    const size_t n = utf8_valid_length(bytes, at);
    if (n == 0 || (n == 1 && !is_plain_ascii(static_cast<uint8_t>(bytes[at])))) return false;
    at += n;
  }
  return characters > 0 && characters <= kPlainCharacters;
}

bool takes_plain(Configs& configs, const Automaton& automaton, ConfigId config) {
  std::vector<ConfigId> seen{config}, level{config};
  for (int i = 0; i < kPlainCharacters && !level.empty(); ++i) {
    Search search(configs, automaton);
    for (const ConfigId c : level)
      if (!search.after(c)) return false;
    level.clear();
    // What was met with as many characters to come or more need not be looked at again.
    for (const ConfigId c : search.found)
      if (std::find(seen.begin(), seen.end(), c) == seen.end()) {
        seen.push_back(c);
        level.push_back(c);
      }
  }
  return true;
}

}  // namespace uma::grammar
