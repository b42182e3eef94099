#pragma once
// The parts that JSON is written of. Blanks and digits are bounded, so that a model cannot go on with them
// for ever; strings hold no lone surrogates and numbers none that a double cannot hold, so that every reader
// takes what comes out.
#include <optional>

#include "grammar/expr.h"

namespace uma::grammar {

class JsonValues {
 public:
  /// Adds rules as they are needed.
  explicit JsonValues(Rules& rules) : rules_(rules) {}

  ExprPtr value();  // any
  ExprPtr object();
  ExprPtr array();
  static ExprPtr string();
  static ExprPtr number();
  static ExprPtr integer();
  static ExprPtr boolean();

  /// A blank, or a new line and up to 20 blanks, or nothing; between the parts of objects and arrays.
  static ExprPtr space();
  /// What stands between a key and its value.
  static ExprPtr colon();
  /// One character of a string, in each of its spellings.
  static ExprPtr character();
  /// Characters as they stand in a string: as themselves where they may, else escaped.
  static ExprPtr spelled(const CharSet& set);
  /// Between two brackets: `first`, then any number of `more` after commas; nothing where it may be empty.
  static ExprPtr bracketed(const char* open, ExprPtr inside, const char* close);
  static ExprPtr comma();

 private:
  Rules& rules_;
  std::optional<uint32_t> value_, object_, array_;
};

}  // namespace uma::grammar
