#pragma once
// Answers in which functions are called: free text, and calls whose arguments a schema rules.
#include <memory>
#include <string>
#include <vector>

#include "grammar/grammar.h"

namespace uma {

struct CallGrammar {
  struct Function {
    std::string name;
    std::string parameters;  // a JSON Schema of an object; "": any object
  };
  std::vector<Function> functions;
  /// A call is OPEN {"name": NAME, ARGUMENTS_KEY: {...}} CLOSE.
  std::string arguments_key = "arguments";
  std::string open;              // "": a call begins where the answer begins with '{', and then there is one
  bool open_is_control = false;  // OPEN may also be one control token of this name
  std::string close;
  bool listed = false;    // OPEN stands before a JSON array of calls
  bool required = false;  // there is a call, and nothing before it
  bool several = true;    // there may be more than one
};

/// throws InvalidArgument, Limit: no functions, and what Grammar::from_json_schema throws, with the
/// function's name.
std::shared_ptr<const Grammar> compile_calls(const CallGrammar& calls);

}  // namespace uma
