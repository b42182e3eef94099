#pragma once
// JSON of strangers: bounded before it is built, read field by field with a sentence for each fault.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace uma::serve {

using Json = nlohmann::json;                 // what comes in: fields by name in no more than log time
using OrderedJson = nlohmann::ordered_json;  // what goes out: fields in their usual order

inline constexpr int kMaxJsonDepth = 64;
inline constexpr size_t kMaxJsonValues = 500'000;

/// A body that must be an object. Throws ApiError 400: no body, no JSON, invalid UTF-8, numbers that no
/// double holds, more depth or values than above.
Json parse_object(std::string_view body);

/// The text of a field of an object that is valid JSON, with its fields in their order; "" where there is
/// none. Of several of one name the last, as in parse_object.
std::string_view field_text(std::string_view object, std::string_view name);
/// The texts of the items of an array that parse_object took.
std::vector<std::string_view> item_texts(std::string_view array);

/// One line; what is not UTF-8 shows as U+FFFD.
std::string dump(const OrderedJson& json);

/// Fields of an object. A field that is null counts as not there. Each read throws ApiError 400 naming the
/// field where its value is of another type or outside the bounds.
class Fields {
 public:
  /// noun: what a field is called in errors: "" or "option ". The object must outlive this.
  explicit Fields(const Json& object, std::string noun = "");

  const Json* find(const char* name) const;
  std::optional<std::string> text(const char* name) const;
  std::optional<bool> flag(const char* name) const;
  std::optional<int64_t> integer(const char* name, int64_t low = INT64_MIN, int64_t high = INT64_MAX) const;
  std::optional<double> number(const char* name, double low, double high) const;
  /// nullptr where there is none.
  const Json* object(const char* name) const;
  const Json* array(const char* name) const;
  /// A string, or an array of strings.
  std::vector<std::string> texts(const char* name, size_t most) const;

  [[noreturn]] void refuse(const char* name, std::string_view rule) const;
  /// Refuses a field that asks for something: neither missing nor false nor "" nor empty.
  void refuse_if_set(const char* name, std::string_view sentence) const;

 private:
  const Json& object_;
  std::string noun_;
};

}  // namespace uma::serve
