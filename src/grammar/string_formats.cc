#include "grammar/string_formats.h"

#include <string>

namespace uma::grammar {
namespace {

constexpr std::string_view kFormats = "date, time, date-time, uuid, email, ipv4, hostname";

}  // namespace

std::string pattern_of_format(std::string_view format) {
  // 29 February is left out: whether a year has one is more than a line of digits tells.
  const std::string date =
      R"(\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8])))";
  const std::string time = R"(([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d))";
  const std::string label = "[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?";
  const std::string octet = R"((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d))";
  if (format == "date") return date;
  if (format == "time") return time;
  if (format == "date-time") return date + "T" + time;
  if (format == "uuid") return "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
  if (format == "email")
    return R"([A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@)" + label + R"((\.)" + label + "){1,8}";
  if (format == "ipv4") return octet + R"((\.)" + octet + "){3}";
  if (format == "hostname") return label + R"((\.)" + label + "){0,7}";
  return "";
}

std::string_view enforced_formats() {
  return kFormats;
}

}  // namespace uma::grammar
