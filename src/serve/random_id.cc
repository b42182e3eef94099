#include "serve/random_id.h"

#include "engine/sampler.h"

namespace uma::serve {

std::string random_id(std::string prefix) {
  constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
  for (int half = 0; half < 2; ++half) {
    uint64_t bits = random_seed();
    for (int i = 0; i < 12; ++i, bits /= 36) prefix += kLetters[bits % 36];
  }
  return prefix;
}

}  // namespace uma::serve
