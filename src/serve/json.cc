#include "serve/json.h"

#include <cmath>

#include "serve/api.h"

namespace uma::serve {
namespace {

// Up to here a double holds every whole number, so that 8.0 means 8 and nothing else.
constexpr double kExact = 9007199254740992.0;

}  // namespace

Json parse_object(std::string_view body) {
  if (body.empty()) throw ApiError(400, "missing request body");
  size_t values = 0;
  const auto bound = [&values](int depth, Json::parse_event_t event, Json&) {
    using Event = Json::parse_event_t;
    if (depth > kMaxJsonDepth) throw ApiError(400, fmt::format("the JSON nests over {} deep", kMaxJsonDepth));
    values += event == Event::value || event == Event::object_start || event == Event::array_start;
    if (values > kMaxJsonValues)
      throw ApiError(400, fmt::format("the JSON holds over {} values", kMaxJsonValues));
    return true;
  };
  try {
    Json json = Json::parse(body, bound);
    if (!json.is_object()) throw ApiError(400, "the body must be a JSON object");
    return json;
  } catch (const Json::parse_error& e) {
    throw ApiError(400, fmt::format("the body is not valid JSON in UTF-8, at byte {}", e.byte));
  } catch (const Json::exception&) {
    throw ApiError(400, "the body holds a number that is out of range");
  }
}

std::string_view field_text(std::string_view object, std::string_view name) {
  // The JSON is valid, so only strings and brackets are looked at.
  std::string_view found;
  size_t at = object.find('{') + 1;
  const auto skip_string = [&] {
    for (++at; object[at] != '"'; ++at)
      if (object[at] == '\\') ++at;
    ++at;
  };
  while (true) {
    at = object.find_first_of("\"}", at);
    if (object[at] == '}') return found;
    const size_t key = at;
    skip_string();
    const bool ours = Json::parse(object.substr(key, at - key)) == name;
    at = object.find_first_not_of(" \t\r\n", object.find(':', at) + 1);
    const size_t value = at;
    for (int depth = 0; at < object.size();) {
      const char c = object[at];
      if (c == '"') {
        skip_string();
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}')) break;
      depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
      ++at;
    }
    if (!ours) continue;
    found = object.substr(value, at - value);
    found = found.substr(0, found.find_last_not_of(" \t\r\n") + 1);
  }
}

std::string dump(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

Fields::Fields(const Json& object, std::string noun) : object_(object), noun_(std::move(noun)) {}

const Json* Fields::find(const char* name) const {
  const auto at = object_.find(name);
  return at == object_.end() || at->is_null() ? nullptr : &*at;
}

void Fields::refuse(const char* name, std::string_view rule) const {
  throw ApiError(400, fmt::format("{}\"{}\" {}", noun_, name, rule), name);
}

void Fields::refuse_if_set(const char* name, std::string_view sentence) const {
  const Json* value = find(name);
  if (!value || *value == false || *value == "" || (value->is_structured() && value->empty())) return;
  throw ApiError(400, sentence, name);
}

std::optional<std::string> Fields::text(const char* name) const {
  const Json* value = find(name);
  if (!value) return {};
  if (!value->is_string()) refuse(name, "must be of type string");
  return value->get<std::string>();
}

std::optional<bool> Fields::flag(const char* name) const {
  const Json* value = find(name);
  if (!value) return {};
  if (!value->is_boolean()) refuse(name, "must be of type boolean");
  return value->get<bool>();
}

std::optional<int64_t> Fields::integer(const char* name, int64_t low, int64_t high) const {
  const Json* value = find(name);
  if (!value) return {};
  const double x = value->is_number() ? value->get<double>() : NAN;
  if (x != std::floor(x)) refuse(name, "must be of type integer");  // NaN too
  const bool held = value->is_number_unsigned() ? value->get<uint64_t>() <= uint64_t{INT64_MAX}
                                                : !value->is_number_float() || std::abs(x) <= kExact;
  const int64_t n = held ? value->get<int64_t>() : 0;
  if (!held || n < low || n > high)
    refuse(name, high == INT64_MAX ? fmt::format("must be {} or more, and fit in 64 bits", low)
                                   : fmt::format("must be from {} to {}", low, high));
  return n;
}

const Json* Fields::object(const char* name) const {
  const Json* value = find(name);
  if (value && !value->is_object()) refuse(name, "must be of type object");
  return value;
}

const Json* Fields::array(const char* name) const {
  const Json* value = find(name);
  if (value && !value->is_array()) refuse(name, "must be of type array");
  return value;
}

std::optional<double> Fields::number(const char* name, double low, double high) const {
  const Json* value = find(name);
  if (!value) return {};
  if (!value->is_number()) refuse(name, "must be of type number");
  const double x = value->get<double>();
  if (!(x >= low && x <= high)) refuse(name, fmt::format("must be from {} to {}, not {}", low, high, x));
  return x;
}

std::vector<std::string> Fields::texts(const char* name, size_t most) const {
  const Json* value = find(name);
  std::vector<std::string> all;
  if (!value) return all;
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array()) refuse(name, "must be a string or an array of strings");
  if (value->size() > most) refuse(name, fmt::format("holds {} strings, {} at most", value->size(), most));
  for (const Json& item : *value) {
    if (!item.is_string()) refuse(name, "must be a string or an array of strings");
    all.push_back(item.get<std::string>());
  }
  return all;
}

std::vector<std::string_view> item_texts(std::string_view array) {
  std::vector<std::string_view> items;
  int depth = 0;
  bool quoted = false;
  size_t from = 1;
  for (size_t i = 0; i < array.size(); ++i) {
    const char c = array[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
      continue;
    }
    quoted = c == '"';
    depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    if ((c == ',' && depth == 1) || depth == 0) {
      items.push_back(array.substr(from, i - from));
      from = i + 1;
    }
  }
  return items;
}

}  // namespace uma::serve
