#pragma once
// "a.b.0": the attribute paths that filters such as map, sort and groupby take.
#include <string>
#include <vector>

#include "text/jinja_interp.h"

namespace uma::jinja {

class AttrGetter {
 public:
  /// path: a text with dots, an integer, or none for the item itself. fold: texts come in lower case.
  AttrGetter(Interp& in, const Value& path, bool fold, Value fallback = Value::missing());
  Value get(Interp& in, Value item) const;

 private:
  std::vector<Value> parts_;
  bool fold_;
  Value fallback_;
};

}  // namespace uma::jinja
