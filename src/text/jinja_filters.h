#pragma once
// The tables of what a template can call by name: filters, tests, methods and global functions.
#include <span>
#include <string_view>

#include "text/jinja_ops.h"

namespace uma::jinja {

/// The value comes as the first argument.
struct FilterInfo {
  std::string_view name;
  Params params;
  Value (*apply)(Interp&, Args&);
};
const FilterInfo* find_filter(std::string_view name);
Value call_filter(Interp& in, const FilterInfo& filter, Args args);

struct TestInfo {
  std::string_view name;
  Params params;
  bool (*holds)(Interp&, Args&);
};
const TestInfo* find_test(std::string_view name);
bool call_test(Interp& in, const TestInfo& test, Args args);

struct MethodInfo {
  std::string_view name;
  Params params;
  Value (*call)(Interp&, const Value& self, Args&);
};
/// Methods of str, and of list, tuple, dict, int, float, range and the engine's own objects.
const MethodInfo* find_text_method(std::string_view name);
const MethodInfo* find_method(const Value& self, std::string_view name);

/// Global functions by number; -1 where there is none.
int find_function(std::string_view name);
std::string_view function_name(int id);
Value call_function(Interp& in, int id, Args& args);

/// The tables, each in the file that defines its functions.
std::span<const FilterInfo> text_filters();
std::span<const FilterInfo> sequence_filters();
std::span<const FilterInfo> lazy_filters();
std::span<const FilterInfo> number_filters();

}  // namespace uma::jinja
