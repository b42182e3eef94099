// JSON Schema: the values that it allows, as rules. What cannot be enforced is refused by name.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/utf8.h"
#include "grammar/grammar.h"
#include "grammar/json_parts.h"
#include "grammar/json_values.h"
#include "grammar/number_range.h"
#include "grammar/regex.h"
#include "grammar/schema.h"
#include "grammar/string_formats.h"
#include "text/utf8.h"

namespace uma {
namespace grammar {
namespace {

constexpr uint32_t kMaxCount = 1'000'000;
// Above it a character is a rule of its own: slower to follow, but two states instead of thirty.
constexpr uint32_t kInlineCharacters = 4096;
constexpr size_t kMaxKeyBytes = 256;
constexpr size_t kMaxSchemas = 20'000, kMaxMerges = 500, kMaxAlternatives = 256, kMaxTuple = 64;
constexpr int kMaxCompileDepth = 256;

class Compiler {
 public:
  Compiler(const Schema& root, Rules& rules) : root_(root), rules_(rules), values_(rules) {}

  ExprPtr compile(const Schema& s, const std::string& path) {
    check(++schemas_ <= kMaxSchemas, ErrorCode::kLimit, kSchemaOp, "it has over {} schemas", kMaxSchemas);
    check(depth_ < kMaxCompileDepth, ErrorCode::kLimit, kSchemaOp, "references and schemas nest over {} deep",
          kMaxCompileDepth);
    ++depth_;
    ExprPtr e = compile_one(s, path);
    --depth_;
    return e;
  }

 private:
  ExprPtr compile_one(const Schema& s, const std::string& path) {
    if (s == true) return values_.value();
    if (s == false) refuse_schema(path, "false allows no value");
    if (!s.is_object()) refuse_schema(path, "a schema must be an object or a boolean");
    check_keywords(s, path);
    if (s.contains("$ref")) return reference(s, path);
    if (s.contains("allOf")) return all_of(s, path);
    for (const char* key : {"anyOf", "oneOf"})
      if (s.contains(key)) return any_of(s, key, path);
    if (s.contains("const") || s.contains("enum")) return constants(s, path);
    return typed(s, path);
  }

  const Schema& list(const Schema& s, const char* key, const std::string& path) const {
    if (!s[key].is_array() || s[key].empty())
      refuse_schema(path, fmt::format("\"{}\" must be an array that holds something", key));
    return s[key];
  }

  Schema merged(const Schema& a, const Schema& b, const std::string& path) {
    check(++merges_ <= kMaxMerges, ErrorCode::kLimit, kSchemaOp, "over {} schemas are joined with others",
          kMaxMerges);
    return merge_schemas(root_, a, b, path);
  }

  ExprPtr reference(const Schema& s, const std::string& path) {
    if (!s["$ref"].is_string()) refuse_schema(path, "\"$ref\" must be a string");
    const std::string name = s["$ref"].get<std::string>();
    const Schema& to = follow_reference(root_, name, path);
    if (restricts(s, {"$ref"})) {
      Schema rest = s;
      rest.erase("$ref");
      return compile(merged(to, rest, path), path);
    }
    const auto [at, fresh] = references_.try_emplace(name, 0);
    if (fresh) {
      const uint32_t rule = at->second = rules_.declare(name);
      ExprPtr body = compile(to, name);
      rules_.rules[rule].body = std::move(body);
    }
    return call(references_[name]);
  }

  ExprPtr all_of(const Schema& s, const std::string& path) {
    Schema all = s;
    all.erase("allOf");
    for (const Schema& part : list(s, "allOf", path)) {
      if (part.is_object()) check_keywords(part, path + "/allOf");
      all = merged(all, part, path + "/allOf");
    }
    return compile(all, path);
  }

  ExprPtr any_of(const Schema& s, const char* key, const std::string& path) {
    const Schema& parts = list(s, key, path);
    const std::string at = path + "/" + key;
    check(parts.size() <= kMaxAlternatives, ErrorCode::kLimit, kSchemaOp, "at {}: over {} alternatives",
          shown(at), kMaxAlternatives);
    if (key == std::string_view("oneOf"))
      for (size_t i = 0; i < parts.size(); ++i)
        for (size_t j = i + 1; j < parts.size(); ++j)
          if (!are_apart(root_, parts[i], parts[j]))
            refuse_schema(
                at, fmt::format("a value may be both of the alternatives {} and {}; \"anyOf\" allows that", i,
                                j));
    Schema rest = s;
    rest.erase(key);
    std::vector<ExprPtr> all;
    for (size_t i = 0; i < parts.size(); ++i) {
      const std::string here = at + "/" + std::to_string(i);
      if (parts[i].is_object()) check_keywords(parts[i], here);
      all.push_back(compile(restricts(rest) ? merged(rest, parts[i], here) : parts[i], here));
    }
    return choice(std::move(all));
  }

  /// Those that the rest of the schema allows too.
  ExprPtr constants(const Schema& s, const std::string& path) {
    if (s.contains("enum")) list(s, "enum", path);
    const std::vector<Schema> values = s.contains("const")
                                           ? std::vector<Schema>{s["const"]}
                                           : std::vector<Schema>(s["enum"].begin(), s["enum"].end());
    Schema rest = s;
    rest.erase("const");
    if (s.contains("const") && s.contains("enum") &&
        std::find(s["enum"].begin(), s["enum"].end(), s["const"]) == s["enum"].end())
      refuse_schema(path, "\"const\" is none of \"enum\"");
    rest.erase("enum");
    std::shared_ptr<const Grammar> also;
    if (restricts(rest)) {
      Rules rules;
      const uint32_t root = rules.declare("value");
      Compiler inner(root_, rules);
      inner.schemas_ = schemas_;
      ExprPtr body = inner.compile(rest, path);
      rules.rules[root].body = std::move(body);
      also = std::make_shared<const Grammar>(rules, kSchemaOp);
    }
    std::vector<ExprPtr> all;
    for (const Schema& value : values) {
      const std::string spelling = value.dump();
      if (!also || also->matches(spelling)) all.push_back(text(spelling));
    }
    if (all.empty()) refuse_schema(path, "none of its constants is allowed by its other keywords");
    return choice(std::move(all));
  }

  static bool has_any(const Schema& s, std::initializer_list<const char*> keys) {
    return std::any_of(keys.begin(), keys.end(), [&](const char* k) { return s.contains(k); });
  }

  ExprPtr typed(const Schema& s, const std::string& path) {
    std::vector<std::string> types;
    if (s.contains("type")) {
      const Schema given = s["type"].is_array() ? s["type"] : Schema::array({s["type"]});
      for (const Schema& t : given) {
        if (!t.is_string()) refuse_schema(path, "\"type\" must be a string or an array of strings");
        types.push_back(t.get<std::string>());
      }
      if (types.empty()) refuse_schema(path, "\"type\" lists no type");
    } else {
      // What restricts one kind of value is said of a value of this kind.
      if (has_any(s, {"properties", "required", "additionalProperties", "minProperties", "maxProperties"}))
        types.push_back("object");
      if (has_any(s, {"items", "prefixItems", "minItems", "maxItems", "additionalItems"}))
        types.push_back("array");
      if (has_any(s, {"minLength", "maxLength", "pattern", "format"})) types.push_back("string");
      if (has_any(s, {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}))
        types.push_back("number");
      if (types.empty()) return values_.value();
    }
    std::vector<ExprPtr> all;
    for (const std::string& t : types) all.push_back(of_type(t, s, path));
    return choice(std::move(all));
  }

  ExprPtr of_type(const std::string& type, const Schema& s, const std::string& path) {
    if (type == "object") return object(s, path);
    if (type == "array") return array(s, path);
    if (type == "string") return string(s, path);
    if (type == "integer" || type == "number") return number(type == "integer", s, path);
    if (type == "boolean") return JsonValues::boolean();
    if (type == "null") return text("null");
    refuse_schema(path, fmt::format("the type \"{}\" is unknown", shown(type)));
  }

  uint32_t count(const Schema& s, const char* key, uint32_t otherwise, const std::string& path) const {
    if (!s.contains(key)) return otherwise;
    const double n = s[key].is_number() ? s[key].get<double>() : -1;
    if (n < 0 || n != std::floor(n))
      refuse_schema(path, fmt::format("\"{}\" must be a whole number of 0 or more", key));
    check(n <= kMaxCount, ErrorCode::kLimit, kSchemaOp, "at {}: \"{}\" is over {}", shown(path), key,
          kMaxCount);
    return static_cast<uint32_t>(n);
  }
  void in_order(uint32_t min, uint32_t max, const char* what, const std::string& path) const {
    if (min > max) refuse_schema(path, fmt::format("min{} is over max{}: no value is allowed", what, what));
  }

  ExprPtr string(const Schema& s, const std::string& path) {
    const uint32_t min = count(s, "minLength", 0, path), max = count(s, "maxLength", kUnbounded, path);
    in_order(min, max, "Length", path);
    std::string pattern;
    bool whole = false;
    for (const char* key : {"pattern", "format"})
      if (s.contains(key) && !s[key].is_string())
        refuse_schema(path, fmt::format("\"{}\" must be a string", key));
    if (s.contains("pattern")) pattern = s["pattern"].get<std::string>();
    if (s.contains("format")) {
      if (s.contains("pattern"))
        refuse_schema(path, "\"pattern\" and \"format\" together cannot be enforced");
      const std::string format = s["format"].get<std::string>();
      pattern = pattern_of_format(format);
      whole = true;
      if (pattern.empty())
        refuse_schema(path, fmt::format("the format \"{}\" cannot be enforced; these can: {}", shown(format),
                                        enforced_formats()));
    }
    ExprPtr inside;
    if (has_any(s, {"pattern", "format"})) {
      inside = parse_regex(pattern, whole, kSchemaOp);
      const Length length = length_of(*inside);
      if (length.min < min || (max != kUnbounded && length.max > max))
        refuse_schema(
            path, "lengths beside a \"pattern\" or \"format\" cannot be enforced: give them in the pattern");
      inside = spelled(inside);
    } else {
      const uint32_t most = max == kUnbounded ? min : max;
      inside = repeat(most > kInlineCharacters ? character_rule() : JsonValues::character(), min, max);
    }
    return sequence({text("\""), inside, text("\"")});
  }

  ExprPtr character_rule() {
    if (!character_) character_ = rules_.add("character", JsonValues::character());
    return call(*character_);
  }

  std::optional<Bound> bound(const Schema& s, const char* plain, const char* exclusive, bool low,
                             const std::string& path) const {
    std::optional<Bound> b;
    for (const char* key : {plain, exclusive}) {
      if (!s.contains(key)) continue;
      if (!s[key].is_number()) refuse_schema(path, fmt::format("\"{}\" must be a number", key));
      const Bound one{s[key].get<double>(), key == exclusive};
      const bool tighter = !b || (low ? one.value > b->value : one.value < b->value) ||
                           (one.value == b->value && one.excluded);
      if (tighter) b = one;
    }
    return b;
  }

  ExprPtr number(bool integer, const Schema& s, const std::string& path) {
    const auto low = bound(s, "minimum", "exclusiveMinimum", true, path);
    const auto high = bound(s, "maximum", "exclusiveMaximum", false, path);
    if (!low && !high) return integer ? JsonValues::integer() : JsonValues::number();
    try {
      if (!integer) return number_range(low, high, kSchemaOp);
    } catch (const Error& e) {
      refuse_schema(path, e.message());
    }
    const double limit = static_cast<double>(kMaxWhole) + 1;
    double from = low ? std::ceil(low->value) : -limit, to = high ? std::floor(high->value) : limit;
    if (low && low->excluded && from == low->value) from += 1;
    if (high && high->excluded && to == high->value) to -= 1;
    const ExprPtr e = integer_range(static_cast<int64_t>(std::clamp(from, -limit, limit)),
                                    static_cast<int64_t>(std::clamp(to, -limit, limit)));
    if (!e) refuse_schema(path, "no whole number of up to 15 digits is between the bounds");
    return e;
  }

  ExprPtr array(const Schema& s, const std::string& path) {
    const uint32_t min = count(s, "minItems", 0, path);
    uint32_t max = count(s, "maxItems", kUnbounded, path);
    in_order(min, max, "Items", path);
    const bool tuple = s.contains("items") && s["items"].is_array();  // before 2020
    if (tuple && s.contains("prefixItems"))
      refuse_schema(path, "\"items\" is an array beside \"prefixItems\"");
    const char* prefix_key = tuple ? "items" : "prefixItems";
    const char* rest_key = tuple ? "additionalItems" : "items";
    std::vector<ExprPtr> prefix;
    if (s.contains(prefix_key)) {
      if (!s[prefix_key].is_array()) refuse_schema(path, fmt::format("\"{}\" must be an array", prefix_key));
      check(s[prefix_key].size() <= kMaxTuple, ErrorCode::kLimit, kSchemaOp,
            "at {}: \"{}\" has over {} items", shown(path), prefix_key, kMaxTuple);
      for (size_t i = 0; i < s[prefix_key].size() && i < max; ++i)
        prefix.push_back(compile(s[prefix_key][i], path + "/" + prefix_key + "/" + std::to_string(i)));
    }
    const Schema rest = s.contains(rest_key) ? s[rest_key] : Schema(true);
    if (rest == false) {
      max = std::min(max, static_cast<uint32_t>(prefix.size()));
      in_order(min, max, "Items", path);
    }
    if (max == 0) return text("[]");
    ExprPtr item;
    if (max > prefix.size())
      item = call(rules_.add(path + "/" + rest_key, compile(rest, path + "/" + rest_key)));
    const auto n = static_cast<uint32_t>(prefix.size());
    // What comes after the n first, then what comes before it.
    ExprPtr after = text("");
    if (item && max > n) {
      const uint32_t done = std::max(n, 1u);  // the first has no comma before it
      after = repeat(sequence({JsonValues::comma(), item}), min > done ? min - done : 0,
                     max == kUnbounded ? kUnbounded : max - done);
      if (n == 0) after = sequence({item, after});
    }
    for (uint32_t i = n; i-- > 0;) {
      const bool may_end = i + 1 >= min;  // before what follows
      if (i + 1 < n && may_end) after = optional(after);
      after = sequence({i == 0 ? text("") : JsonValues::comma(), prefix[i], after});
    }
    ExprPtr whole = JsonValues::bracketed("[", after, "]");
    return min == 0 ? choice({text("[]"), whole}) : whole;
  }

  ExprPtr object(const Schema& s, const std::string& path) {
    const bool has_properties = s.contains("properties") && !s["properties"].empty();
    if (s.contains("properties") && !s["properties"].is_object())
      refuse_schema(path, "\"properties\" must be an object");
    // Left open by a schema that names properties means: these. It is what was meant, and a model would
    // not end otherwise.
    const Schema extra =
        s.contains("additionalProperties") ? s["additionalProperties"] : Schema(!has_properties);
    std::vector<Property> properties = named_properties(s, extra, path);
    const uint32_t min = count(s, "minProperties", 0, path),
                   max = count(s, "maxProperties", kUnbounded, path);
    const auto required = static_cast<uint32_t>(
        std::count_if(properties.begin(), properties.end(), [](const Property& p) { return p.required; }));
    if (min > required && !(min == 1 && properties.empty() && extra != false))
      refuse_schema(path, "\"minProperties\" over the number of required ones cannot be enforced");
    uint32_t most_extra = extra == false ? 0 : kUnbounded;
    if (max != kUnbounded) {
      if (max < properties.size())
        refuse_schema(path, "\"maxProperties\" under the number of properties cannot be enforced");
      most_extra = std::min(most_extra, max - static_cast<uint32_t>(properties.size()));
    }
    ExprPtr pair;
    if (most_extra > 0) pair = extra_pair(extra, properties, path);
    return members(rules_, properties, pair, most_extra, min > 0 || required > 0);
  }

  std::vector<Property> named_properties(const Schema& s, const Schema& extra, const std::string& path) {
    std::vector<std::string> required;
    if (s.contains("required")) {
      if (!s["required"].is_array()) refuse_schema(path, "\"required\" must be an array of strings");
      for (const Schema& name : s["required"]) {
        if (!name.is_string()) refuse_schema(path, "\"required\" must be an array of strings");
        required.push_back(name.get<std::string>());
      }
    }
    std::vector<Property> all;
    const auto add = [&](const std::string& name, const Schema& schema, bool is_required) {
      const std::string key = Schema(name).dump();
      if (schema == false && !is_required) {
        if (extra != false)
          refuse_schema(path,
                        fmt::format("the forbidden property \"{}\" beside \"additionalProperties\" cannot "
                                    "be enforced",
                                    shown(name)));
        return;
      }
      ExprPtr value = compile(schema, path + "/properties/" + name);
      all.push_back({name, sequence({text(key), JsonValues::colon(), value}), is_required});
    };
    const auto is_required = [&](const std::string& name) {
      return std::find(required.begin(), required.end(), name) != required.end();
    };
    if (s.contains("properties"))
      for (const auto& [name, schema] : s["properties"].items()) add(name, schema, is_required(name));
    for (const std::string& name : required) {
      if (s.contains("properties") && s["properties"].contains(name)) continue;
      if (std::any_of(all.begin(), all.end(), [&](const Property& p) { return p.name == name; })) continue;
      const bool open = !s.contains("additionalProperties");
      if (!open && extra == false)
        refuse_schema(path,
                      fmt::format("the required property \"{}\" is forbidden by \"additionalProperties\"",
                                  shown(name)));
      add(name, open ? Schema(true) : extra, true);
    }
    return all;
  }

  /// A key that is none of the named ones, and its value.
  ExprPtr extra_pair(const Schema& extra, const std::vector<Property>& properties, const std::string& path) {
    ExprPtr value = compile(extra, path + "/additionalProperties");
    std::vector<std::u32string> names;
    for (const Property& p : properties) {
      if (p.name.size() > kMaxKeyBytes)
        refuse_schema(path, "a property's name is too long beside \"additionalProperties\"");
      std::u32string name;
      for (size_t i = 0; i < p.name.size();) name += utf8_next_as_read(p.name, &i);
      names.push_back(std::move(name));
    }
    const ExprPtr key = names.empty() ? repeat(JsonValues::character(), 0, kUnbounded) : other_than(names, 0);
    return call(rules_.add(path + "/additionalProperties",
                           sequence({text("\""), key, text("\""), JsonValues::colon(), value})));
  }

  const Schema& root_;
  Rules& rules_;
  JsonValues values_;
  std::map<std::string, uint32_t> references_;
  std::optional<uint32_t> character_;
  size_t schemas_ = 0, merges_ = 0;
  int depth_ = 0;
};

}  // namespace

ExprPtr compile_schema(const Schema& schema, Rules& rules) {
  return Compiler(schema, rules).compile(schema, "#");
}

}  // namespace grammar

std::shared_ptr<const Grammar> Grammar::from_json_schema(std::string_view text) {
  const grammar::Schema schema = grammar::parse_schema(text);
  grammar::Rules rules;
  const uint32_t root = rules.declare("schema");
  grammar::ExprPtr body = grammar::compile_schema(schema, rules);
  rules.rules[root].body = std::move(body);
  return std::make_shared<const Grammar>(rules, grammar::kSchemaOp);
}

}  // namespace uma
