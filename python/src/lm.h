#pragma once
// What the files behind uma.core._lm share.
#include <memory>

#include "bind.h"

namespace uma {
struct Vocabulary;
}

namespace uma::python {

/// The text side of a model, as a Python object.
struct Words {
  std::shared_ptr<const Vocabulary> vocabulary;
};

/// Adds uma.core._lm.
void bind_lm(Module& m);
void bind_lm_text(Module& m);
void bind_lm_hub(Module& m);

}  // namespace uma::python
