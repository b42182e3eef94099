#include "hub/names.h"

#include <algorithm>
#include <iterator>

#include "base/ascii.h"
#include "base/error.h"

namespace uma::hub {
namespace {

constexpr size_t kMaxName = 128;

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool is_word(std::string_view text) {
  return !text.empty() && text[0] != '.' && text[0] != '-' &&
         std::all_of(text.begin(), text.end(), is_name_char);
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (ascii_lower(a[i - 1]) == ascii_lower(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

bool is_model_name(std::string_view name) {
  if (name.size() > kMaxName) return false;
  const size_t colon = name.find(':');
  if (colon == std::string_view::npos) return is_word(name);
  return is_word(name.substr(0, colon)) && is_word(name.substr(colon + 1));
}

void check_model_name(std::string_view name) {
  check(is_model_name(name), ErrorCode::kInvalidArgument, "models",
        "'{}' is not a model's name: at most {} of a-z 0-9 . _ - and maybe a :tag of the same, neither of "
        "them starting with '.' or '-'",
        printable(name), kMaxName);
}

bool is_path(std::string_view model) {
  return model.find('/') != std::string_view::npos || model.ends_with(".gguf");
}

std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.size() > kMaxName) return "";
  std::string best;
  size_t best_distance = std::max<size_t>(2, name.size() / 4) + 1;
  for (const std::string& candidate : candidates) {
    // "gemma" stands for "gemma3:270m": what is only left out counts as near.
    const bool prefix = name.size() >= 3 && candidate.size() > name.size() &&
                        edit_distance(name, std::string_view(candidate).substr(0, name.size())) == 0;
    const size_t distance = prefix ? 1 : edit_distance(name, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string name_from_address(std::string_view address) {
  address = address.substr(0, address.find_first_of("?#"));
  address = address.substr(address.rfind('/') + 1);
  std::string name;
  for (const char c : address) name += is_name_char(ascii_lower(c)) ? ascii_lower(c) : '-';
  if (name.ends_with(".gguf")) name.resize(name.size() - 5);
  name.erase(0, name.find_first_not_of(".-"));
  if (name.size() > kMaxName) name.resize(kMaxName);
  return name;
}

std::string printable(std::string_view text) {
  std::string result(text.substr(0, 80));
  for (char& c : result)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  // Never cut through a character.
  if (text.size() > 80) {
    while (!result.empty() && (static_cast<unsigned char>(result.back()) & 0xC0) == 0x80) result.pop_back();
    if (!result.empty() && static_cast<unsigned char>(result.back()) >= 0xC0) result.pop_back();
    result += "...";
  }
  return result;
}

std::string human_bytes(int64_t bytes) {
  if (bytes < 1000) return fmt::format("{} bytes", bytes);
  const char* const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (value /= 1000; value >= 999.95 && unit + 1 < std::size(units); value /= 1000) ++unit;
  return fmt::format("{:.1f} {}", value, units[unit]);
}

}  // namespace uma::hub
