#pragma once
// Python's operators on values.
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja_runtime.h"

namespace uma::jinja {

enum class Op : uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kFloorDiv,
  kMod,
  kPow,
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kIn,
  kNotIn
};

/// Python's type name: "str", "dict", "NoneType".
std::string_view type_name(const Value& v);
/// Throws the sentence of an undefined value.
[[noreturn]] void fail_undefined(Runtime& rt, const Value& v);

bool truthy(const Value& v);
bool equal(Runtime& rt, const Value& a, const Value& b);
/// <0, 0, >0. Throws where Python has no order; `op` is for the message. NaN compares as 2.
int compare(Runtime& rt, const Value& a, const Value& b, std::string_view op = "<");
bool compare_op(Interp& in, Op op, const Value& a, const Value& b);
bool contains(Interp& in, const Value& container, const Value& item);
/// Throws if the value is a list, a dict or holds one.
uint64_t hash(Runtime& rt, const Value& v);
uint64_t hash_text(std::string_view s);

Value arithmetic(Interp& in, Op op, const Value& a, const Value& b);
Value negate(Runtime& rt, const Value& v, bool minus);
int64_t floor_mod(int64_t a, int64_t b);

/// len(v). Throws where Python does.
int64_t length(Runtime& rt, const Value& v);
/// str(v), repr(v).
std::string to_str(Runtime& rt, const Value& v);
void add_str(TextBuilder& out, Runtime& rt, const Value& v);
void add_repr(TextBuilder& out, Runtime& rt, const Value& v);
std::string repr(Runtime& rt, const Value& v);
/// 1.0, 1e-05, inf: repr of a float.
std::string float_repr(double d);

std::vector<Value> to_list(Interp& in, const Value& v);
/// The text of a value that must be a string.
const std::string& need_text(Runtime& rt, const Value& v, std::string_view what);
/// An integer argument (bool counts). Throws for anything else.
int64_t need_int(Runtime& rt, const Value& v, std::string_view what);

/// Stable sort by Python's order; keys[i] belongs to items[i].
void sort_by(Runtime& rt, std::vector<Value>& items, std::vector<Value>& keys, bool reverse);

/// obj.name and obj[key] as the sandbox resolves them, and obj[a:b:c].
Value get_attr(Interp& in, const Value& obj, std::string_view name);
Value get_item(Interp& in, const Value& obj, const Value& key);
Value get_slice(Runtime& rt, const Value& obj, const Value& start, const Value& stop, const Value& step);
/// The attribute that Python's getattr finds, or kMissing.
Value python_attr(Interp& in, const Value& obj, std::string_view name);

/// "..." % args and "...".format(...)
std::string percent_format(Interp& in, const std::string& format, const Value& args, bool escape);
std::string brace_format(Interp& in, const std::string& format, const Args& args, bool escape);
/// format(v, spec) of Python's mini-language.
std::string format_value(Runtime& rt, const Value& v, std::string_view spec);
/// The first place of `needle` at or behind `from`, or npos; linear in the size of both.
size_t find_text(std::string_view hay, std::string_view needle, size_t from = 0);
/// s.replace(old, with, most); a negative `most` is all.
std::string replace_text(Runtime& rt, std::string_view s, std::string_view old, std::string_view with,
                         int64_t most);
/// s.splitlines(keep_ends), as views into s.
std::vector<std::string_view> lines_of(Runtime& rt, std::string_view s, bool keep_ends);
/// &, <, >, ', " as HTML entities.
std::string escape_html(Runtime& rt, std::string_view s);

/// json.dumps as transformers' tojson filter calls it.
struct JsonStyle {
  bool ascii = false;
  bool sort_keys = false;
  bool pretty = false;
  std::string indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
std::string to_json(Runtime& rt, const Value& v, const JsonStyle& style);
/// The values of a JSON text. Throws Format on malformed text, Limit past the bounds.
Value from_json(Runtime& rt, std::string_view json);

}  // namespace uma::jinja
