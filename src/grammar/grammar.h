#pragma once
// A language that answers are held to: compiled from JSON Schema, a regular expression, or GBNF (the notation
// of llama.cpp), and shared by any number of answers and threads.
#include <memory>
#include <string>
#include <string_view>

namespace uma {

class TokenTrie;
namespace grammar {
class Masks;
struct Automaton;
struct Rules;
}  // namespace grammar

/// Bytes of a schema, an expression or a grammar.
inline constexpr size_t kMaxGrammarBytes = size_t{256} << 10;

class Grammar {
 public:
  /// Each throws InvalidArgument with a sentence that names the place and what cannot be compiled, and Limit
  /// for what is too large. Nothing that restricts is left out silently.
  ///
  /// The values of a JSON Schema; docs/GRAMMARS.md has the keywords. Properties come in the schema's order.
  static std::shared_ptr<const Grammar> from_json_schema(std::string_view schema);
  /// The texts that an expression matches from their beginning to their end.
  static std::shared_ptr<const Grammar> from_regex(std::string_view pattern);
  /// The texts of the rule `root`.
  static std::shared_ptr<const Grammar> from_gbnf(std::string_view text);
  /// The texts of one and those of the other. Throws Limit.
  static std::shared_ptr<const Grammar> either(const Grammar& a, const Grammar& b);
  /// Any JSON object.
  static std::shared_ptr<const Grammar> json();

  /// op: how errors are tagged.
  Grammar(const grammar::Rules& rules, std::string_view op);
  explicit Grammar(grammar::Automaton automaton);
  ~Grammar();

  /// Whether a text is one of the language.
  bool matches(std::string_view text) const;

  /// The masks over a vocabulary, made as they are needed and kept for all answers.
  std::shared_ptr<grammar::Masks> masks_for(const std::shared_ptr<const TokenTrie>& trie) const;
  const grammar::Automaton& automaton() const { return *automaton_; }

 private:
  struct Cache;
  std::unique_ptr<const grammar::Automaton> automaton_;
  std::unique_ptr<Cache> cache_;
};

}  // namespace uma
