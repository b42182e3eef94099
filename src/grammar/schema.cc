#include "grammar/schema.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/utf8.h"
#include "grammar/grammar.h"

namespace uma::grammar {
namespace {

constexpr int kMaxSchemaDepth = 64;
constexpr int kMaxMergeDepth = 32;

constexpr std::string_view kAnnotations[] = {
    "title", "description", "default",  "examples",  "example",       "$schema",          "$id",
    "id",    "$comment",    "readOnly", "writeOnly", "deprecated",    "contentMediaType", "contentEncoding",
    "$defs", "definitions", "strict",   "nullable",  "discriminator", "externalDocs"};
constexpr std::string_view kEnforced[] = {"type",
                                          "enum",
                                          "const",
                                          "properties",
                                          "required",
                                          "additionalProperties",
                                          "items",
                                          "prefixItems",
                                          "additionalItems",
                                          "minItems",
                                          "maxItems",
                                          "minLength",
                                          "maxLength",
                                          "pattern",
                                          "format",
                                          "minimum",
                                          "maximum",
                                          "exclusiveMinimum",
                                          "exclusiveMaximum",
                                          "anyOf",
                                          "oneOf",
                                          "allOf",
                                          "$ref",
                                          "minProperties",
                                          "maxProperties",
                                          "uniqueItems",
                                          "multipleOf"};

template <size_t N>
bool is_one_of(const std::string_view (&list)[N], std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

std::set<std::string> types_of(const Schema& s) {
  std::set<std::string> types;
  const auto add = [&](const Schema& t) {
    if (t.is_string()) types.insert(t.get<std::string>());
  };
  if (s.contains("type")) {
    if (s["type"].is_array())
      for (const Schema& t : s["type"]) add(t);
    else
      add(s["type"]);
  }
  return types;
}

bool has_type(const std::set<std::string>& types, const std::string& type) {
  return types.contains(type) || (type == "integer" && types.contains("number"));
}

std::vector<Schema> constants_of(const Schema& s) {
  if (s.contains("const")) return {s["const"]};
  if (s.contains("enum") && s["enum"].is_array()) return {s["enum"].begin(), s["enum"].end()};
  return {};
}

const Schema* resolved(const Schema& root, const Schema* s) {
  for (int i = 0; i < kMaxMergeDepth && s->is_object() && s->contains("$ref") && (*s)["$ref"].is_string();
       ++i)
    s = &follow_reference(root, (*s)["$ref"].get<std::string>(), "#");
  return s;
}

bool requires_property(const Schema& s, const std::string& name) {
  return s.contains("required") && s["required"].is_array() &&
         std::find(s["required"].begin(), s["required"].end(), name) != s["required"].end();
}

Schema merged_types(const Schema& a, const Schema& b, const std::string& path) {
  const auto x = types_of(a), y = types_of(b);
  Schema both = Schema::array();
  for (const std::string& t : x)
    if (has_type(y, t)) both.push_back(t);
  for (const std::string& t : y)
    if (!x.contains(t) && has_type(x, t)) both.push_back(t);
  if (both.empty()) refuse_schema(path, "no type is allowed by all of what is joined here");
  return both.size() == 1 ? both[0] : both;
}

}  // namespace

void refuse_schema(const std::string& path, std::string_view what) {
  fail(ErrorCode::kInvalidArgument, kSchemaOp, "at {}: {}", shown(path), what);
}

Schema parse_schema(std::string_view text) {
  check(text.size() <= kMaxGrammarBytes, ErrorCode::kLimit, kSchemaOp, "the schema has {} bytes, {} at most",
        text.size(), kMaxGrammarBytes);
  const auto bound = [](int depth, Schema::parse_event_t, Schema&) {
    check(depth <= kMaxSchemaDepth, ErrorCode::kLimit, kSchemaOp, "the schema nests over {} deep",
          kMaxSchemaDepth);
    return true;
  };
  try {
    return Schema::parse(text, bound);
  } catch (const Schema::parse_error& e) {
    fail(ErrorCode::kInvalidArgument, kSchemaOp, "it is not valid JSON in UTF-8, at byte {}", e.byte);
  } catch (const Schema::exception&) {
    fail(ErrorCode::kInvalidArgument, kSchemaOp, "it holds a number that is out of range");
  }
}

bool is_annotation(std::string_view keyword) {
  return is_one_of(kAnnotations, keyword);
}

void check_keywords(const Schema& s, const std::string& path) {
  for (const auto& [key, value] : s.items()) {
    if (is_annotation(key) || is_one_of(kEnforced, key) || key.starts_with("x-")) {
      if (key == "nullable" && value != false)
        refuse_schema(path, "\"nullable\" is not supported: list \"null\" as a type");
      if (key == "uniqueItems" && value != false) refuse_schema(path, "\"uniqueItems\" cannot be enforced");
      if (key == "multipleOf" && value != 1) refuse_schema(path, "\"multipleOf\" cannot be enforced");
      continue;
    }
    refuse_schema(path, fmt::format("the keyword \"{}\" cannot be enforced", shown(key)));
  }
}

bool restricts(const Schema& s, std::initializer_list<std::string_view> but) {
  for (const auto& [key, value] : s.items())
    if (!is_annotation(key) && !key.starts_with("x-") && std::find(but.begin(), but.end(), key) == but.end())
      return true;
  return false;
}

const Schema& follow_reference(const Schema& root, const std::string& reference, const std::string& path) {
  if (reference == "#") return root;
  if (!reference.starts_with("#/"))
    refuse_schema(path, fmt::format("the reference \"{}\" does not lead into this schema (\"#/...\")",
                                    shown(reference)));
  const Schema* at = &root;
  for (size_t from = 2; from <= reference.size();) {
    const size_t slash = std::min(reference.find('/', from), reference.size());
    std::string key;
    for (size_t i = from; i < slash; ++i) {
      const bool escaped = reference[i] == '~' && i + 1 < slash;
      key += !escaped ? reference[i] : reference[++i] == '1' ? '/' : '~';
    }
    from = slash + 1;
    const Schema* next = nullptr;
    if (at->is_object() && at->contains(key)) next = &(*at)[key];
    if (at->is_array() && key.size() < 6 && !key.empty() && key.find_first_not_of("0123456789") == key.npos &&
        std::stoul(key) < at->size())
      next = &(*at)[std::stoul(key)];
    if (!next) refuse_schema(path, fmt::format("the reference \"{}\" leads nowhere", shown(reference)));
    at = next;
  }
  return *at;
}

Schema merge_schemas(const Schema& root, const Schema& a_in, const Schema& b_in, const std::string& path,
                     int depth) {
  if (depth > kMaxMergeDepth) refuse_schema(path, "what is joined here refers to itself");
  const Schema *pa = resolved(root, &a_in), *pb = resolved(root, &b_in);
  if (pa->is_boolean()) return *pa == true ? *pb : *pa;
  if (pb->is_boolean()) return *pb == true ? *pa : *pb;
  if (!pa->is_object() || !pb->is_object()) refuse_schema(path, "a schema must be an object or a boolean");
  // What stands beside a reference counts too.
  const auto with_siblings = [&](const Schema& in, const Schema* to) {
    if (&in == to || !restricts(in, {"$ref"})) return *to;
    Schema rest = in;
    rest.erase("$ref");
    return merge_schemas(root, *to, rest, path, depth + 1);
  };
  const Schema a = with_siblings(a_in, pa), b = with_siblings(b_in, pb);
  const auto closes = [](const Schema& s) {
    return s.contains("additionalProperties") && s["additionalProperties"] != true;
  };
  const auto inside = [](const Schema& small, const Schema& large) {
    if (!small.contains("properties")) return true;
    for (const auto& [name, value] : small["properties"].items())
      if (!large.contains("properties") || !large["properties"].contains(name)) return false;
    return true;
  };
  if ((closes(a) && !inside(b, a)) || (closes(b) && !inside(a, b)))
    refuse_schema(path, "\"additionalProperties\" of one part forbids properties of another");
  Schema out = a;
  for (const auto& [key, value] : b.items()) {
    if (is_annotation(key) || !out.contains(key)) {
      if (!out.contains(key)) out[key] = value;
      continue;
    }
    Schema& mine = out[key];
    if (mine == value) continue;
    if (key == "type") {
      mine = merged_types(a, b, path);
    } else if (key == "properties" && mine.is_object() && value.is_object()) {
      for (const auto& [name, schema] : value.items())
        mine[name] = mine.contains(name)
                         ? merge_schemas(root, mine[name], schema, path + "/properties/" + name, depth + 1)
                         : schema;
    } else if (key == "required" && mine.is_array() && value.is_array()) {
      for (const Schema& name : value)
        if (std::find(mine.begin(), mine.end(), name) == mine.end()) mine.push_back(name);
    } else if (key == "enum" && mine.is_array() && value.is_array()) {
      Schema both = Schema::array();
      for (const Schema& v : mine)
        if (std::find(value.begin(), value.end(), v) != value.end()) both.push_back(v);
      mine = both;
    } else if (key == "items") {
      mine = merge_schemas(root, mine, value, path + "/items", depth + 1);
    } else if (key == "additionalProperties" && (mine == true || value == true)) {
      if (mine == true) mine = value;
    } else if (key.starts_with("min") && mine.is_number() && value.is_number()) {
      mine = std::max(mine, value);
    } else if (key.starts_with("max") && mine.is_number() && value.is_number()) {
      mine = std::min(mine, value);
    } else {
      refuse_schema(path, fmt::format("two different values of \"{}\" cannot be joined", shown(key)));
    }
  }
  return out;
}

bool are_apart(const Schema& root, const Schema& a_in, const Schema& b_in, int depth) {
  if (depth > 8) return false;
  const Schema &a = *resolved(root, &a_in), &b = *resolved(root, &b_in);
  if (a == false || b == false) return true;
  if (!a.is_object() || !b.is_object()) return false;
  const auto x = constants_of(a), y = constants_of(b);
  if (!x.empty() && !y.empty())
    return std::none_of(x.begin(), x.end(),
                        [&](const Schema& v) { return std::find(y.begin(), y.end(), v) != y.end(); });
  const auto tx = types_of(a), ty = types_of(b);
  if (!tx.empty() && !ty.empty() &&
      std::none_of(tx.begin(), tx.end(), [&](const std::string& t) { return has_type(ty, t); }) &&
      std::none_of(ty.begin(), ty.end(), [&](const std::string& t) { return has_type(tx, t); }))
    return true;
  if (tx != std::set<std::string>{"object"} || tx != ty) return false;
  const auto properties = [](const Schema& s) -> const Schema& {
    static const Schema none = Schema::object();
    return s.contains("properties") && s["properties"].is_object() ? s["properties"] : none;
  };
  for (const auto& [name, schema] : properties(a).items())
    if (requires_property(a, name) && requires_property(b, name) && properties(b).contains(name) &&
        are_apart(root, schema, properties(b)[name], depth + 1))
      return true;
  // Objects of a schema with properties are made of these only, so one that requires others is not met.
  const auto misses_of = [&](const Schema& s, const Schema& other) {
    if (properties(s).empty() || (s.contains("additionalProperties") && s["additionalProperties"] != false))
      return false;
    for (const auto& [name, schema] : properties(other).items())
      if (requires_property(other, name) && !requires_property(s, name) && !properties(s).contains(name))
        return true;
    return false;
  };
  return misses_of(a, b) && misses_of(b, a);
}

}  // namespace uma::grammar
