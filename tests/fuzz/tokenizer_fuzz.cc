// libFuzzer target of the tokenizers. An input is
//   byte 0   which vocabulary: 0 to 2 one of ours (llama, gpt2, bert), else one that the input spells out
//   byte 1   the pre-tokenizer rule, by its place in the list
//   byte 2   flags: what is added, whether special tokens are read, whether there are scores
// then, where it spells one out, a token a line ("5<0x0A>": a digit is its type; "Ma b": a merge), an empty
// line; then the text. Whatever the bytes are: ids of the vocabulary, and text that is the same streamed and
// whole, in UTF-8; or one Error tagged "tokenizer".
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace {

using uma::VocabData;

struct Texts {
  std::deque<std::string> all;  // stays where it is while it grows
  std::string_view keep(std::string text) { return all.emplace_back(std::move(text)); }
};

void add(VocabData& data, std::string_view text, int32_t type) {
  data.tokens.push_back(text);
  data.types.push_back(type);
  const signed char last = text.empty() ? '\0' : static_cast<signed char>(text.back());
  data.scores.push_back(last == 0x7f ? std::nanf("") : static_cast<float>(last));
}

VocabData spelled_out(std::string_view lines, const std::shared_ptr<Texts>& texts, uint8_t flags) {
  VocabData data;
  while (!lines.empty()) {
    const size_t n = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, n);
    lines.remove_prefix(std::min(n + 1, lines.size()));
    if (!line.empty() && line[0] == 'M')
      data.merges.push_back(texts->keep(std::string(line.substr(1))));
    else if (!line.empty() && line[0] >= '0' && line[0] <= '9')
      add(data, texts->keep(std::string(line.substr(1))), line[0] - '0');
    else
      add(data, texts->keep(std::string(line)), 1);
  }
  if (flags & 1) data.scores.clear();
  if (flags & 2) data.types.clear();
  return data;
}

VocabData ours(int kind, const std::shared_ptr<Texts>& texts) {
  VocabData data;
  const auto token = [&](std::string text, int32_t type = 1) {
    add(data, texts->keep(std::move(text)), type);
  };
  for (const char* special : {"<unk>", "<s>", "</s>", "<|user|>"}) token(special, special[1] == 'u' ? 2 : 3);
  token("<tool>", 4);
  if (kind == 0) {
    for (int b = 0; b < 256; ++b) token(fmt::format("<0x{:02X}>", b), 6);
    for (const char* piece : {"\u2581", "\u2581t", "he", "\u2581the", "\u00e9", "\u2581\u2581", "in", "ing"})
      token(piece);
  } else if (kind == 1) {
    // GPT-2's alphabet, as its rule makes it.
    uint32_t next = 0x100;
    for (uint32_t b = 0; b < 256; ++b) {
      std::string text;
      const bool printable = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      uma::utf8_append_code_point(text, printable ? b : next++);
      token(text);
    }
    for (const char* merge :
         {"t h", "th e", "\u0120 t", "\u0120t he", "i n", "in g", "\u00c3 \u00a9", "1 2", "\u0120 \u0120"}) {
      std::string text = merge;
      data.merges.push_back(texts->keep(text));
      token(text.erase(text.find(' '), 1));
    }
  } else {
    for (char c = 'a'; c <= 'z'; ++c) {
      token(std::string("\u2581") + c);
      token(std::string(1, c));
    }
    for (const char* piece : {"\u2581the", "\u2581.", "ing", "\u2581\u4e2d", "\u2581!"}) token(piece);
  }
  return data;
}

void use(const uma::Tokenizer& tokenizer, std::string_view text, bool special, bool complete) {
  const auto ids = tokenizer.encode(text, {.add_special = special, .parse_special = special});
  for (const int32_t id : ids)
    if (id < 0 || id >= tokenizer.size()) std::abort();
  const std::string whole = tokenizer.decode(ids, special);
  if (complete && uma::is_utf8(text) && !uma::is_utf8(whole)) std::abort();
  uma::Detokenizer stream(tokenizer, special);
  std::string streamed;
  for (const int32_t id : ids) {
    const std::string part = stream.put(id);
    if (!uma::is_utf8(part)) std::abort();
    streamed += part;
  }
  streamed += stream.flush();
  if (streamed != uma::utf8_repaired(whole)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 3) return 0;
  const auto rules = uma::pre_tokenizer_rules();
  const std::string_view names = rules[bytes[1] % rules.size()].names;
  const uint8_t flags = bytes[2];
  std::string_view rest(reinterpret_cast<const char*>(bytes) + 3, size - 3);
  auto texts = std::make_shared<Texts>();
  const bool own = bytes[0] < 3;
  VocabData data;
  if (own) {
    data = ours(bytes[0], texts);
  } else {
    const size_t end = std::min(rest.find("\n\n"), rest.size());
    data = spelled_out(rest.substr(0, end), texts, flags);
    rest.remove_prefix(std::min(end + 2, rest.size()));
    data.bos = flags & 4 ? std::optional<int32_t>(bytes[0] - 3) : std::nullopt;
  }
  static constexpr const char* kModels[] = {"llama", "gpt2", "bert", "gemma4"};
  data.model = kModels[own ? bytes[0] : bytes[0] % 4];
  data.pre = names.substr(0, names.find(' '));
  data.add_bos = flags & 8;
  if (flags & 16) data.add_eos = true;
  if (flags & 32) data.add_space_prefix = false;
  data.keep_alive = texts;
  try {
    const auto tokenizer = uma::Tokenizer::make(std::move(data));
    use(*tokenizer, rest, flags & 64, own);
    uma::Detokenizer stream(*tokenizer, true);
    for (const char c : rest)
      stream.put(static_cast<unsigned char>(c) % static_cast<int32_t>(tokenizer->size()));
  } catch (const uma::Error& e) {
    expect_sentence(e, "tokenizer");
  }
  return 0;
}
