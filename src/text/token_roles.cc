#include "text/token_roles.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "text/token_map.h"
#include "text/tokenizer.h"

namespace uma {
namespace {

enum Meaning : int32_t {
  kEnd,           // ends a turn or a text
  kEndOfMessage,  // the same, unless <|return|> and <|call|> (or <|flush|>) say it better
  kReturn,
  kCall,
  kFlush,
  kCloseTag,  // </s> ends an answer too, but beside a token below it is an HTML tag
  kHtmlModel,
  kShown,  // control tokens of gpt-oss that belong to the text
  kFimPrefix,
  kFimSuffix,
  kFimMiddle,
  kFimPad,
  kFimRepo,
  kFimFile,
};

constexpr struct {
  std::string_view text;
  Meaning meaning;
} kTexts[] = {
    {"<|eot_id|>", kEnd},
    {"<|im_end|>", kEnd},
    {"<end_of_turn>", kEnd},
    {"<|endoftext|>", kEnd},
    {"<|eom_id|>", kEnd},
    {"<EOT>", kEnd},
    {"_<EOT>", kEnd},
    {"[EOT]", kEnd},
    {"[EOS]", kEnd},
    {"<|end_of_text|>", kEnd},
    {"<end_of_utterance>", kEnd},
    {"<eos>", kEnd},
    {"<turn|>", kEnd},
    {"[e~[", kEnd},
    {"<｜end▁of▁sentence｜>", kEnd},
    {"<|end|>", kEndOfMessage},
    {"<|return|>", kReturn},
    {"<|call|>", kCall},
    {"<|calls|>", kCall},
    {"<|flush|>", kFlush},
    {"</s>", kCloseTag},
    {"<|tool_response>", kHtmlModel},
    {"<|channel|>", kShown},
    {"<|message|>", kShown},
    {"<|start|>", kShown},
    {"<|constrain|>", kShown},
    {"<|fim_prefix|>", kFimPrefix},
    {"<fim-prefix>", kFimPrefix},
    {"<fim_prefix>", kFimPrefix},
    {"<｜fim▁begin｜>", kFimPrefix},
    {"<PRE>", kFimPrefix},
    {"▁<PRE>", kFimPrefix},
    {"<|code_prefix|>", kFimPrefix},
    {"<|prefix|>", kFimPrefix},
    {"<|fim_suffix|>", kFimSuffix},
    {"<fim-suffix>", kFimSuffix},
    {"<fim_suffix>", kFimSuffix},
    {"<｜fim▁hole｜>", kFimSuffix},
    {"<SUF>", kFimSuffix},
    {"▁<SUF>", kFimSuffix},
    {"<|code_suffix|>", kFimSuffix},
    {"<|suffix|>", kFimSuffix},
    {"<|fim_middle|>", kFimMiddle},
    {"<fim-middle>", kFimMiddle},
    {"<fim_middle>", kFimMiddle},
    {"<｜fim▁end｜>", kFimMiddle},
    {"<MID>", kFimMiddle},
    {"▁<MID>", kFimMiddle},
    {"<|code_middle|>", kFimMiddle},
    {"<|middle|>", kFimMiddle},
    {"<|fim_pad|>", kFimPad},
    {"<fim-pad>", kFimPad},
    {"<fim_pad>", kFimPad},
    {"<PAD>", kFimPad},
    {"[PAD]", kFimPad},
    {"<|fim_repo|>", kFimRepo},
    {"<|repo_name|>", kFimRepo},
    {"<fim-repo>", kFimRepo},
    {"<REPO>", kFimRepo},
    {"<reponame>", kFimRepo},
    {"<|file_sep|>", kFimFile},
};

bool may_have_meaning(std::string_view text) {
  return !text.empty() && (text[0] == '<' || text[0] == '[' || text[0] == '_' || text[0] == '\xe2');
}

uint8_t role_of_type(int32_t type) {
  return type >= 1 && type <= 6 ? static_cast<uint8_t>(1 << (type - 1)) : 0;
}

}  // namespace

TokenRoles find_token_roles(const VocabData& data) {
  const auto size = static_cast<int32_t>(data.tokens.size());
  TokenRoles out;
  std::vector<uint8_t>& roles = out.roles;
  roles.assign(data.tokens.size(), kNormal);
  if (!data.types.empty())
    std::transform(data.types.begin(), data.types.begin() + size, roles.begin(), role_of_type);
  const auto role = [&](int32_t id) -> uint8_t& { return roles[static_cast<size_t>(id)]; };
  std::vector<int32_t>& ends = out.end_ids;

  // By place in the file's own key, else by text: the first that fits.
  std::array<std::optional<int32_t>, kFimFile + 1> fim;
  fim[kFimPrefix] = data.fim_pre;
  fim[kFimSuffix] = data.fim_suf;
  fim[kFimMiddle] = data.fim_mid;
  fim[kFimPad] = data.fim_pad;
  fim[kFimRepo] = data.fim_rep;
  fim[kFimFile] = data.fim_sep;

  TokenMap meanings;
  meanings.reserve(std::size(kTexts));
  for (const auto& [text, meaning] : kTexts) meanings.insert(text, meaning);
  std::array<int32_t, kFimFile + 1> found;
  found.fill(-1);
  for (int32_t id = 0; id < size; ++id) {
    const std::string_view text = data.tokens[static_cast<size_t>(id)];
    if (!may_have_meaning(text)) continue;
    const int32_t meaning = meanings.find(text);
    if (meaning < 0) continue;
    found[static_cast<size_t>(meaning)] = id;
    if (meaning == kShown) {
      role(id) = kUserDefined;
    } else if (meaning >= kFimPrefix) {
      auto& place = fim[static_cast<size_t>(meaning)];
      if (place) continue;
      place = id;
      role(id) |= kControl;
    } else {
      role(id) |= kControl;
      ends.push_back(id);
    }
  }
  for (const auto& id : {data.eos, data.eot, data.eom, fim[kFimPad], fim[kFimRepo], fim[kFimFile]})
    if (id) ends.push_back(*id);
  const auto is_end = [&](int32_t id) { return std::find(ends.begin(), ends.end(), id) != ends.end(); };
  if (found[kEndOfMessage] >= 0 && found[kCall] >= 0 && (found[kReturn] >= 0 || found[kFlush] >= 0)) {
    std::erase(ends, found[kEndOfMessage]);
    role(found[kEndOfMessage]) = kUserDefined;
  }
  const bool html = found[kHtmlModel] >= 0 || std::any_of(ends.begin(), ends.end(), [&](int32_t id) {
                      return data.tokens[static_cast<size_t>(id)] == "<|plamo:eos|>";
                    });
  if (html && found[kCloseTag] >= 0 && is_end(found[kCloseTag])) {
    std::erase(ends, found[kCloseTag]);
    role(found[kCloseTag]) = kNormal;
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return out;
}

}  // namespace uma
