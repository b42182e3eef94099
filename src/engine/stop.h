#pragma once
// Finds stop strings in text that comes in pieces.
#include <string>
#include <string_view>
#include <vector>

namespace uma {

class StopMatcher {
 public:
  /// Throws InvalidArgument for an empty string, or one that begins in the middle of a UTF-8 character.
  explicit StopMatcher(std::vector<std::string> stops);

  /// Takes a piece and returns the text that is now known to stand before any stop string. What may be the
  /// beginning of one is held back. After matched() nothing more comes out.
  std::string put(std::string_view piece);
  /// The text held back: nothing more will come.
  std::string flush();
  /// The stop string that came up, or nullptr. Of several the one that begins first, then the longest.
  const std::string* matched() const { return matched_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  const std::string* matched_ = nullptr;
};

}  // namespace uma
