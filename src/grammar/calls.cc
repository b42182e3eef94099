#include "grammar/calls.h"

#include "base/error.h"
#include "base/utf8.h"
#include "grammar/json_values.h"
#include "grammar/schema.h"
#include "grammar/token_trie.h"

namespace uma {
namespace {

using namespace grammar;

constexpr char kOp[] = "tools";

ExprPtr parameters_of(const CallGrammar::Function& f, Rules& rules) {
  if (f.parameters.empty()) return JsonValues(rules).object();
  try {
    Schema schema = parse_schema(f.parameters);
    // A function that takes nothing is often given as an empty schema.
    if (schema.is_object() && !schema.contains("type") && !schema.contains("$ref") &&
        !schema.contains("anyOf"))
      schema["type"] = "object";
    return compile_schema(schema, rules);
  } catch (const Error& e) {
    fail(e.code(), kOp, "the parameters of the function '{}': {}", shown(f.name), e.message());
  }
}

ExprPtr call_of(const CallGrammar& calls, Rules& rules) {
  std::vector<ExprPtr> all;
  for (const CallGrammar::Function& f : calls.functions) {
    const auto key = [](const std::string& name) { return text(Schema(name).dump()); };
    all.push_back(sequence({key("name"), JsonValues::colon(), key(f.name), JsonValues::comma(),
                            key(calls.arguments_key), JsonValues::colon(), parameters_of(f, rules)}));
  }
  return call(rules.add("call", JsonValues::bracketed("{", choice(std::move(all)), "}")));
}

/// Text in which `mark` does not occur, and then what follows the mark; or the end. A rule for each number of
/// the mark's characters that the text ends with (Knuth, Morris, Pratt). The mark is ASCII.
uint32_t text_until(const std::string& mark, const ExprPtr& otherwise, Rules& rules, uint32_t after) {
  const auto first = static_cast<uint32_t>(rules.rules.size());
  for (size_t i = 0; i < mark.size(); ++i) rules.declare("text");
  for (size_t i = 0; i < mark.size(); ++i) {
    CharSet rest = CharSet::all();
    std::vector<ExprPtr> all{text("")};
    if (otherwise) all.push_back(otherwise);
    CharSet known;
    for (const char c : mark) {
      const auto code = static_cast<uint8_t>(c);
      if (known.contains(code)) continue;
      known.add(code, code);
      const std::string seen = mark.substr(0, i) + c;
      size_t n = seen.size();
      while (!std::string_view(seen).ends_with(mark.substr(0, n))) --n;
      const uint32_t next = n == mark.size() ? after : first + static_cast<uint32_t>(n);
      all.push_back(sequence({text(std::string(1, c)), call(next)}));
    }
    all.push_back(sequence({chars(rest.without(known)), call(first)}));
    rules.rules[first + i].body = choice(std::move(all));
  }
  return first;
}

}  // namespace

std::shared_ptr<const Grammar> compile_calls(const CallGrammar& calls) {
  check(!calls.functions.empty(), ErrorCode::kInvalidArgument, kOp, "there is no function to call");
  Rules rules;
  const uint32_t root = rules.declare("answer");
  const ExprPtr one = call_of(calls, rules);
  if (calls.open.empty()) {
    CharSet other = CharSet().add('{', '{').add(' ', ' ').add('\n', '\n').inverted();
    const ExprPtr free = optional(sequence({chars(other), repeat(chars(CharSet::all()), 0, kUnbounded)}));
    rules.rules[root].body = calls.required ? one : choice({one, free});
    return std::make_shared<const Grammar>(rules, kOp);
  }
  ExprPtr inside = one;
  if (calls.listed)
    inside = JsonValues::bracketed(
        "[", sequence({one, repeat(sequence({JsonValues::comma(), one}), 0, calls.several ? kUnbounded : 0)}),
        "]");
  const ExprPtr body = sequence({JsonValues::space(), inside, JsonValues::space(), text(calls.close)});
  const ExprPtr control = calls.open_is_control ? text(TokenTrie::kControl + calls.open) : nullptr;
  if (calls.required) {
    const ExprPtr open = control ? choice({control, text(calls.open)}) : text(calls.open);
    const ExprPtr first = sequence({open, body});
    rules.rules[root].body =
        calls.listed || !calls.several
            ? first
            : sequence({first, repeat(sequence({JsonValues::space(), first}), 0, kUnbounded)});
    return std::make_shared<const Grammar>(rules, kOp);
  }
  // After a call text goes on, and other calls may follow.
  const uint32_t after = rules.declare("call and on");
  const uint32_t text_rule =
      text_until(calls.open, control ? sequence({control, call(after)}) : nullptr, rules, after);
  rules.rules[after].body = calls.listed || !calls.several ? body : sequence({body, call(text_rule)});
  rules.rules[root].body = call(text_rule);
  return std::make_shared<const Grammar>(rules, kOp);
}

}  // namespace uma
