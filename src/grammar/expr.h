#pragma once
// What every notation becomes before it is compiled: rules made of texts, sets of characters, sequences,
// choices, repetitions, and calls of other rules.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace uma::grammar {

struct CodeRange {
  uint32_t first, last;
};

/// Unicode scalar values; surrogates are never among them.
class CharSet {
 public:
  static CharSet all() { return CharSet().inverted(); }
  /// Adds first to last, both included, less what is no scalar value.
  CharSet& add(uint32_t first, uint32_t last);
  CharSet& add(const CharSet& other);
  CharSet inverted() const;
  CharSet without(const CharSet& other) const;
  bool contains(uint32_t code_point) const;
  /// Sorted, apart from each other.
  const std::vector<CodeRange>& ranges() const { return ranges_; }

 private:
  std::vector<CodeRange> ranges_;
};

struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;

inline constexpr uint32_t kUnbounded = UINT32_MAX;

struct Expr {
  enum class Kind : uint8_t { text, chars, sequence, choice, repeat, call };
  Kind kind;
  std::string text;            // bytes
  CharSet chars;               // one character of these
  std::vector<ExprPtr> parts;  // sequence, choice; repeat has one
  uint32_t min = 0, max = 0;   // repeat; max may be kUnbounded
  uint32_t rule = 0;           // call
};

/// The empty text for "".
ExprPtr text(std::string_view bytes);
ExprPtr chars(CharSet set);
ExprPtr sequence(std::vector<ExprPtr> parts);
/// Of no parts: matches nothing at all.
ExprPtr choice(std::vector<ExprPtr> parts);
ExprPtr repeat(ExprPtr part, uint32_t min, uint32_t max);
ExprPtr optional(ExprPtr part);
ExprPtr call(uint32_t rule);

/// The first rule is the root.
struct Rules {
  struct Rule {
    std::string name;  // for errors
    ExprPtr body;      // nullptr: not defined yet
  };
  std::vector<Rule> rules;

  uint32_t declare(std::string name);
  uint32_t add(std::string name, ExprPtr body);
};

}  // namespace uma::grammar
