// Many texts through one vocabulary, for tools/tokenizer_oracle.py: a process a text would take hours.
// stdin: records of one byte (what to do), a length and as many bytes; stdout: an answer to each.
// Lengths and ids are 32 bits, little-endian.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/error.h"
#include "models/vocab.h"
#include "text/tokenizer.h"

namespace {

void put(uint32_t n) {
  std::fwrite(&n, sizeof n, 1, stdout);
}
void put(std::string_view bytes) {
  put(static_cast<uint32_t>(bytes.size()));
  std::fwrite(bytes.data(), 1, bytes.size(), stdout);
}

// 0 to 3: encode, with bit 0 add_special and bit 1 parse_special. The answer is a count and ids, or
// 2^32 - 1 and an error's sentence.
void encode(const uma::Tokenizer& tokenizer, const std::string& text, int flags) {
  try {
    const auto ids =
        tokenizer.encode(text, {.add_special = (flags & 1) != 0, .parse_special = (flags & 2) != 0});
    put(static_cast<uint32_t>(ids.size()));
    std::fwrite(ids.data(), sizeof(int32_t), ids.size(), stdout);
  } catch (const uma::Error& e) {
    put(UINT32_MAX);
    put(e.what());
  }
}

// 'v': every token: its bytes with and without special ones, and whether it ends an answer.
void vocabulary(const uma::Vocabulary& v) {
  put(static_cast<uint32_t>(v.size));
  for (int32_t id = 0; id < v.size; ++id) {
    put(v.tokenizer->piece(id, true));
    put(v.tokenizer->piece(id, false));
    put(static_cast<uint32_t>(v.ends_answer(id)));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: uma_tokenizer_batch FILE.gguf < records\n", stderr), 2;
  try {
    const auto v = uma::load_vocabulary(argv[1]);
    std::string bytes;
    for (int what; (what = std::getchar()) != EOF;) {
      uint32_t n = 0;
      if (std::fread(&n, sizeof n, 1, stdin) != 1) return 1;
      bytes.resize(n);
      if (std::fread(bytes.data(), 1, n, stdin) != n) return 1;
      what == 'v' ? vocabulary(*v) : encode(*v->tokenizer, bytes, what);
    }
  } catch (const uma::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
