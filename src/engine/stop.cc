#include "engine/stop.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace uma {

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) {
    check(!stop.empty(), ErrorCode::kInvalidArgument, "stop", "a stop string is empty");
    check((static_cast<unsigned char>(stop[0]) & 0xc0) != 0x80, ErrorCode::kInvalidArgument, "stop",
          "a stop string begins with the byte {:#04x}, in the middle of a UTF-8 character",
          static_cast<unsigned char>(stop[0]));
  }
}

std::string StopMatcher::put(std::string_view piece) {
  if (matched_) return {};
  if (stops_.empty()) return std::string(piece);
  held_ += piece;
  size_t at = std::string::npos;
  for (const std::string& stop : stops_) {
    const size_t found = held_.find(stop);
    if (found < at || (found == at && matched_ && stop.size() > matched_->size())) {
      at = found;
      matched_ = &stop;
    }
  }
  if (!matched_) {
    // The longest end of the text that is the beginning of a stop string stays.
    size_t keep = 0;
    for (const std::string& stop : stops_)
      for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n)
        if (held_.ends_with(std::string_view(stop).substr(0, n))) keep = n;
    at = held_.size() - keep;
  }
  std::string out = held_.substr(0, at);
  held_.erase(0, matched_ ? held_.size() : at);
  return out;
}

std::string StopMatcher::flush() {
  return std::exchange(held_, {});
}

}  // namespace uma
