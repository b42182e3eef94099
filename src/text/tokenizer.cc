#include "text/tokenizer.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <initializer_list>
#include <random>

#include "base/error.h"
#include "base/utf8.h"
#include "text/token_map.h"
#include "text/token_roles.h"
#include "text/tokenizers.h"
#include "text/utf8.h"

namespace uma {
namespace {

std::string lower_ascii(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

void check_id(const std::optional<int32_t>& id, std::string_view what, size_t size) {
  check(!id || (*id >= 0 && static_cast<size_t>(*id) < size), ErrorCode::kFormat, "tokenizer",
        "the {} token is {}, outside the vocabulary of {}", what, id.value_or(0), size);
}

}  // namespace

uint64_t token_hash_key() {
  static const uint64_t key = [] {
    std::random_device source;
    return static_cast<uint64_t>(source()) << 32 | source();
  }();
  return key;
}

std::string escape_spaces(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  for (const char c : text) c == ' ' ? out.append(kVisibleSpace) : out.append(1, c);
  return out;
}

std::string unescape_spaces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const bool space = text.substr(i).starts_with(kVisibleSpace);
    out += space ? ' ' : text[i];
    i += space ? kVisibleSpace.size() : 1;
  }
  return out;
}

int byte_of_token(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, value, 16);
  return error == std::errc() && end == text.data() + 5 ? value : -1;
}

Tokenizer::Tokenizer(VocabData data) : data_(std::move(data)) {
  const size_t n = data_.tokens.size();
  check(n > 0, ErrorCode::kFormat, "tokenizer", "the vocabulary has no tokens");
  check(n <= INT32_MAX, ErrorCode::kFormat, "tokenizer", "a vocabulary of {} tokens is too large", n);
  for (const std::string_view text : data_.tokens)
    check(text.size() <= INT32_MAX, ErrorCode::kFormat, "tokenizer", "a token of {} bytes is too long",
          text.size());
  check(data_.scores.empty() || data_.scores.size() >= n, ErrorCode::kFormat, "tokenizer",
        "{} tokens have {} scores", n, data_.scores.size());
  check(data_.types.empty() || data_.types.size() >= n, ErrorCode::kFormat, "tokenizer",
        "{} tokens have {} types", n, data_.types.size());
  check_id(data_.bos, "bos", n);
  check_id(data_.eos, "eos", n);
  check_id(data_.eot, "eot", n);
  check_id(data_.eom, "eom", n);
  check_id(data_.unk, "unknown", n);
  check_id(data_.sep, "separator", n);
  check_id(data_.pad, "padding", n);
  check_id(data_.cls, "cls", n);
  check_id(data_.mask, "mask", n);
  check_id(data_.fim_pre, "fill-in-the-middle prefix", n);
  check_id(data_.fim_suf, "fill-in-the-middle suffix", n);
  check_id(data_.fim_mid, "fill-in-the-middle middle", n);
  check_id(data_.fim_pad, "fill-in-the-middle padding", n);
  check_id(data_.fim_rep, "fill-in-the-middle repository", n);
  check_id(data_.fim_sep, "fill-in-the-middle separator", n);
}

Tokenizer::~Tokenizer() = default;

void Tokenizer::find_roles() {
  TokenRoles found = find_token_roles(data_);
  roles_ = std::move(found.roles);
  end_tokens_ = std::move(found.end_ids);
  for (int32_t id = 0; id < size(); ++id)
    check(!has_role(id, kByte) || byte_of_token(token(id)) >= 0, ErrorCode::kFormat, "tokenizer",
          "token {} is a byte token and does not read <0x00> to <0xFF>", id);
}

void Tokenizer::find_special_tokens() {
  const std::string name = lower_ascii(data_.name);
  const auto names = [](std::string_view text, std::initializer_list<std::string_view> parts) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](std::string_view part) { return text.find(part) != std::string_view::npos; });
  };
  std::string_view mask;  // takes the spaces before it
  bool phi3 = false;
  if (names(data_.pre, {"jina-v2-de", "jina-v2-es", "jina-v2-code"}) ||
      names(data_.architecture, {"nomic-bert-moe", "jina-bert-v3"}))
    mask = "<mask>";
  else if (names(name, {"phi-3", "phi3"}))
    phi3 = true;
  else if (names(name, {"modern-bert"}))
    mask = "[MASK]";
  for (int32_t id = 0; id < size(); ++id) {
    if (!has_role(id, kControl | kUserDefined | kUnknown)) continue;
    const std::string_view text = token(id);
    if (text.empty()) continue;
    Special special{id, text, !has_role(id, kControl | kUnknown), text == mask, false};
    special.eat_right = phi3 && text != "<unk>" && text != "<s>" && text != "<|endoftext|>";
    special_.push_back(special);
    special_starts_[static_cast<unsigned char>(text[0])] = true;
  }
  std::stable_sort(special_.begin(), special_.end(),
                   [](const Special& a, const Special& b) { return a.text.size() > b.text.size(); });
}

// Longer tokens first, whatever their place: a text is cut at every occurrence of the longest, then what is
// left at those of the next.
std::vector<Tokenizer::Part> Tokenizer::partition(std::string_view text, bool parse_special) const {
  // Only the few that occur at all are worth a pass. Their lengths are few, so that is one look-up each.
  TokenMap by_text;
  by_text.reserve(special_.size());
  std::vector<size_t> lengths;
  for (size_t i = 0; i < special_.size(); ++i) {
    if (!parse_special && !special_[i].literal) continue;
    by_text.insert(special_[i].text, static_cast<int32_t>(i));
    if (lengths.empty() || lengths.back() != special_[i].text.size())
      lengths.push_back(special_[i].text.size());
  }
  std::vector<int32_t> present;
  std::vector<bool> seen(special_.size());
  for (size_t at = 0; at < text.size() && !lengths.empty(); ++at) {
    if (!special_starts_[static_cast<unsigned char>(text[at])]) continue;
    for (const size_t n : lengths) {
      if (n > text.size() - at) continue;
      const int32_t i = by_text.find(text.substr(at, n));
      if (i < 0 || seen[static_cast<size_t>(i)]) continue;
      seen[static_cast<size_t>(i)] = true;
      present.push_back(i);
    }
  }
  std::sort(present.begin(), present.end());
  std::vector<Part> parts{{-1, text}}, next;
  for (const int32_t i : present) {
    const Special& special = special_[static_cast<size_t>(i)];
    next.clear();
    for (const Part& part : parts) {
      std::string_view rest = part.text;
      if (part.id >= 0) {
        next.push_back(part);
        continue;
      }
      for (size_t at; (at = rest.find(special.text)) != std::string_view::npos;) {
        std::string_view before = rest.substr(0, at);
        rest.remove_prefix(at + special.text.size());
        if (special.eat_left)
          while (!before.empty() && std::isspace(static_cast<unsigned char>(before.back())))
            before.remove_suffix(1);
        if (special.eat_right)
          while (!rest.empty() && std::isspace(static_cast<unsigned char>(rest.front())))
            rest.remove_prefix(1);
        if (!before.empty()) next.push_back({-1, before});
        next.push_back({special.id, special.text});
      }
      if (!rest.empty()) next.push_back({-1, rest});
    }
    std::swap(parts, next);
  }
  return parts;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::vector<int32_t> ids;
  if (options.add_special && add_bos_) ids.push_back(*data_.bos);
  bool first = true;
  if (!text.empty())
    for (const Part& part : partition(text, options.parse_special)) {
      if (part.id >= 0)
        ids.push_back(part.id);
      else
        encode_text(part.text, first, ids);
      first = part.id >= 0;
    }
  if (options.add_special && add_sep_) ids.push_back(*data_.sep);
  if (options.add_special && add_eos_) ids.push_back(*data_.eos);
  return ids;
}

std::string_view Tokenizer::spelling(int32_t id) const {
  check(id >= 0 && id < size(), ErrorCode::kInvalidArgument, "tokenizer",
        "token {} is outside the vocabulary of {}", id, size());
  return token(id);
}

std::string Tokenizer::piece(int32_t id, bool special) const {
  check(id >= 0 && id < size(), ErrorCode::kInvalidArgument, "tokenizer",
        "token {} is outside the vocabulary of {}", id, size());
  if (has_role(id, kControl | kUnknown)) return special ? std::string(token(id)) : "";
  if (has_role(id, kUserDefined)) return std::string(token(id));
  if (has_role(id, kNormal)) return text_of(id);
  return has_role(id, kByte) ? std::string(1, static_cast<char>(byte_of_token(token(id)))) : "";
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool special) const {
  std::string text;
  for (const int32_t id : ids) text += piece(id, special);
  return text;
}

std::shared_ptr<const Tokenizer> Tokenizer::make(VocabData data) {
  std::shared_ptr<Tokenizer> tokenizer;
  if (data.model == "llama")
    tokenizer = make_sentencepiece(std::move(data));
  else if (data.model == "gpt2" || data.model == "gemma4")
    tokenizer = make_bpe(std::move(data));
  else if (data.model == "bert")
    tokenizer = make_wordpiece(std::move(data));
  else
    fail(ErrorCode::kUnsupported, "tokenizer",
         "the tokenizer '{}' is unknown; this build has llama, gpt2 and bert", shown(data.model));
  tokenizer->find_roles();
  tokenizer->find_special_tokens();
  const VocabData& d = tokenizer->data_;
  if (d.add_bos) tokenizer->add_bos_ = *d.add_bos;
  if (d.add_eos) tokenizer->add_eos_ = *d.add_eos;
  if (d.add_space_prefix) tokenizer->add_space_prefix_ = *d.add_space_prefix;
  // A token that is to be added must exist.
  tokenizer->add_bos_ &= d.bos.has_value();
  tokenizer->add_eos_ &= d.eos.has_value();
  tokenizer->add_sep_ &= d.sep.has_value();
  return tokenizer;
}

std::string Detokenizer::put(int32_t id) {
  pending_ += tokenizer_.piece(id, special_);
  std::string out;
  size_t at = 0;
  while (at < pending_.size()) {
    const size_t n = utf8_valid_length(pending_, at);
    if (n > 0) {
      out.append(pending_, at, n);
      at += n;
      continue;
    }
    // The beginning of a character that may still be completed is kept; a byte that cannot be is shown as
    // broken.
    const size_t announced = utf8_announced_length(static_cast<unsigned char>(pending_[at]));
    bool open =
        announced > pending_.size() - at && announced > 1 && static_cast<unsigned char>(pending_[at]) < 0xf5;
    for (size_t i = at + 1; open && i < pending_.size(); ++i)
      open = (static_cast<unsigned char>(pending_[i]) & 0xc0) == 0x80;
    if (open) break;
    out += "\xef\xbf\xbd";
    ++at;
  }
  pending_.erase(0, at);
  return out;
}

std::string Detokenizer::flush() {
  std::string rest = utf8_repaired(pending_);
  pending_.clear();
  return rest;
}

}  // namespace uma
