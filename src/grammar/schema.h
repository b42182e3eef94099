#pragma once
// Schemas as data: what a keyword is, where a reference leads, and two schemas as one.
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "grammar/expr.h"

namespace uma::grammar {

/// Properties keep their order.
using Schema = nlohmann::ordered_json;

inline constexpr char kSchemaOp[] = "json schema";

/// Throws InvalidArgument: "at PATH: WHAT".
[[noreturn]] void refuse_schema(const std::string& path, std::string_view what);

/// Bounded in depth and size. Throws InvalidArgument, Limit.
Schema parse_schema(std::string_view text);

/// The values of a schema as rules (json_schema.cc). Throws InvalidArgument, Limit.
ExprPtr compile_schema(const Schema& schema, Rules& rules);

/// Refuses keywords that restrict and are not enforced, by name, and those that are unknown.
void check_keywords(const Schema& schema, const std::string& path);
/// A keyword that does not restrict: titles, descriptions, defaults.
bool is_annotation(std::string_view keyword);
/// Whether the schema has keywords that restrict, other than `but`.
bool restricts(const Schema& schema, std::initializer_list<std::string_view> but = {});

/// Where a local reference ("#", "#/$defs/x") leads. Throws InvalidArgument.
const Schema& follow_reference(const Schema& root, const std::string& reference, const std::string& path);

/// What both allow. Throws InvalidArgument where that is no schema that we can write.
Schema merge_schemas(const Schema& root, const Schema& a, const Schema& b, const std::string& path,
                     int depth = 0);

/// Whether no value is one of both: by type, by constants, by a property that both require, or because one
/// requires what the other has not.
bool are_apart(const Schema& root, const Schema& a, const Schema& b, int depth = 0);

}  // namespace uma::grammar
