#include "serve/logprobs.h"

#include <algorithm>

#include "text/tokenizer.h"

namespace uma::serve {
namespace {

constexpr float kLeast = -9999;

OrderedJson entry(int32_t token, float logprob, const Vocabulary& vocabulary) {
  const std::string text = vocabulary.tokenizer->piece(token);
  OrderedJson bytes = OrderedJson::array();
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return {{"token", text}, {"logprob", std::max(logprob, kLeast)}, {"bytes", std::move(bytes)}};
}

}  // namespace

OrderedJson logprobs_json(std::span<const TokenLogprob> tokens, const Vocabulary& vocabulary) {
  OrderedJson all = OrderedJson::array();
  for (const TokenLogprob& t : tokens) {
    OrderedJson json = entry(t.token, t.logprob, vocabulary);
    json["top_logprobs"] = OrderedJson::array();
    for (const auto& [token, logprob] : t.top)
      json["top_logprobs"].push_back(entry(token, logprob, vocabulary));
    all.push_back(std::move(json));
  }
  return all;
}

OrderedJson completion_logprobs_json(std::span<const TokenLogprob> tokens, const Vocabulary& vocabulary,
                                     size_t& offset) {
  OrderedJson texts = OrderedJson::array(), logprobs = texts, tops = texts, offsets = texts;
  for (const TokenLogprob& t : tokens) {
    const std::string text = vocabulary.tokenizer->piece(t.token);
    OrderedJson top = OrderedJson::object();
    for (const auto& [token, logprob] : t.top)
      top[vocabulary.tokenizer->piece(token)] = std::max(logprob, kLeast);
    texts.push_back(text);
    logprobs.push_back(std::max(t.logprob, kLeast));
    tops.push_back(t.top.empty() ? OrderedJson() : std::move(top));
    offsets.push_back(offset);
    offset += count_characters(text);
  }
  return {{"tokens", std::move(texts)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace uma::serve
