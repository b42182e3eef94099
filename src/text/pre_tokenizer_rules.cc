// The table of rules. The expressions are those that the models' own tokenizer files state, as llama.cpp
// runs them: where the two differ, ids follow llama.cpp.
#include "text/pre_tokenizer.h"

#include <algorithm>

namespace uma {
namespace {

using Kind = PreTokenizerPass::Kind;
using Pass = PreTokenizerPass;

constexpr Pass kGpt2[] = {
    {.regex = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))"}};
constexpr Pass kDefault[] = {
    {.regex = R"([\p{P}\$\+<=>\^~\|]+)"}, kGpt2[0], {.regex = R"(\p{N}+)"}, {.regex = R"([0-9][0-9][0-9])"}};
constexpr Pass kDigitsGpt2[] = {{.regex = R"(\p{N})"}, kGpt2[0]};
constexpr Pass kFalcon[] = {{.regex = R"([\p{P}\$\+<=>\^~\|`]+)"}, kGpt2[0], {.regex = R"([0-9][0-9][0-9])"}};
constexpr Pass kLlama3[] = {
    {.regex =
         R"(<C>|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
constexpr Pass kJais2[] = {
    {.regex =
         R"(<C>|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})"}};
constexpr Pass kQwen2[] = {
    {.regex = R"(<C>|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
constexpr Pass kQwen35[] = {
    {.regex =
         R"(<C>|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
constexpr Pass kUfakzeka[] = {
    {.regex = R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
constexpr Pass kLaguna[] = {{.regex = R"([^\n]+|[\n]+)"}, kQwen2[0]};
constexpr Pass kMinicpm5[] = {
    {.regex = R"(\p{N}{1,3})"},
    {.regex = R"(<C>|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
constexpr Pass kSeedCoder[] = {
    {.regex = R"(<C>|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
constexpr Pass kBailing[] = {
    {.regex =
         R"('(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"}};
constexpr Pass kExaoneMoe[] = {
    {.regex =
         R"(<C>|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)"}};
// [^\P{L}a-z] is "a letter, but not a to z": only ASCII counts as lower or upper case here.
constexpr Pass kTekken[] = {
    {.regex =
         R"([^\r\n\p{L}\p{N}]?[^\P{L}a-z]*[^\P{L}A-Z]+|[^\r\n\p{L}\p{N}]?[^\P{L}a-z]+[^\P{L}A-Z]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
constexpr Pass kGpt4o[] = {
    {.regex =
         R"([^\r\n\p{L}\p{N}]?[^\P{L}a-z]*[^\P{L}A-Z]+<C>?|[^\r\n\p{L}\p{N}]?[^\P{L}a-z]+[^\P{L}A-Z]*<C>?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
constexpr Pass kGraniteMulti[] = {
    {.regex =
         R"([^\r\n\p{L}\p{N}]?(?:[^\P{L}a-z]|\p{M})*(?:[^\P{L}A-Z]|\p{M})+<C>?|[^\r\n\p{L}\p{N}]?(?:[^\P{L}a-z]|\p{M})+(?:[^\P{L}A-Z]|\p{M})*<C>?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
// The models tell cases of letters apart here; llama.cpp does not.
constexpr std::string_view kCased =
    R"([^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+<C>?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Pass kTinyAya[] = {{.kind = Kind::digits_right}, {.regex = kCased}};
constexpr Pass kYoutu[] = {
    {.regex =
         R"([가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+)"},
    {.regex =
         R"([^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+<C>?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
// Chinese characters are words of their own; other letters know no case.
constexpr Pass kKimi[] = {
    {.regex =
         R"([一-\x{9fff}㐀-\x{4dbf}\x{20000}-\x{2a6df}\x{2a700}-\x{2ebef}\x{f900}-\x{faff}\x{2f800}-\x{2fa1f}]+|[^\r\n\p{L}\p{N}]?(?:(?![一-\x{9fff}㐀-\x{4dbf}\x{20000}-\x{2a6df}\x{2a700}-\x{2ebef}\x{f900}-\x{faff}\x{2f800}-\x{2fa1f}])\p{L})+<C>?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}};
constexpr std::string_view kPunctuated =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Pass kDeepseek3[] = {
    {.regex = R"(\p{N}{1,3})"}, {.regex = R"([一-龥぀-ゟ゠-ヿ]+)"}, {.regex = kPunctuated}};
constexpr Pass kSpark[] = {
    {.regex = R"(\p{N}{1,3})"},
    {.regex = R"([一-龥぀-ゟ゠-ヿ]+)"},
    {.regex =
         R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)"},
    {.regex = R"(\p{N})"}};
// U+8C48 where U+F900 looks meant, Hangul and all: ids follow llama.cpp.
constexpr Pass kAfmoe[] = {
    {.kind = Kind::digits_right},
    {.regex =
         R"([一-鿿㐀-䶿\x{8c48}-\x{faff}぀-ゟ゠-ヿ･-ﾟ⼀-⿟\x{0e40}-\x{0e7f}\x{0e80}-\x{0eff}\x{1780}-\x{17ff}\x{1000}-\x{109f}\x{aa60}-\x{aa7f}\x{a9e0}-\x{a9ff}가-\x{d7af}\x{1100}-\x{11ff}]+)"},
    {.regex = kPunctuated}};
// Ranges leave white space out that lies within them.
constexpr Pass kDeepseekLlm[] = {
    {.regex = R"([\r\n])"},
    {.regex =
         R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\x{1f7d}ᾀ-ᾴᾶ-ᾼ\x{1fbe}ῂ-ῄῆ-ῌῐ-\x{1fd3}ῖ-\x{1fdb}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212a}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)"},
    {.regex = R"(\s?[!-/:-~！-／：-～‘-‟\x{3001}-。]+)"},
    {.regex = R"(\s+$)"},
    {.regex = R"((?:(?!\s)[一-龥ࠀ-一가-\x{d7ff}])+)"},
    {.regex = R"(\p{N}+)"}};
constexpr Pass kDeepseekCoder[] = {{.regex = R"([\r\n])"},
                                   {.regex = R"(\s?\p{L}+)"},
                                   {.regex = R"(\s?\p{P}+)"},
                                   {.regex = R"((?:(?!\s)[一-龥ࠀ-一가-\x{d7ff}])+)"},
                                   {.regex = R"(\p{N})"}};
constexpr Pass kBloom[] = {{.regex = R"( ?[^(\s|.,!?…。，、।۔،)]+)"}};
constexpr Pass kViking[] = {kBloom[0], {.regex = R"(\p{N})"}};
constexpr Pass kChameleon[] = {
    {.regex = R"(<sentinel:[0-9]+>)"},    {.regex = R"((IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z)"},
    {.regex = R"(([\t\n]|    |  ))"},     {.regex = R"(\p{N})"},
    {.regex = R"([\p{P}!-/:-@\[-`{-~])"}, kGpt2[0]};
constexpr Pass kSuperbpe[] = {{.regex = R"(\p{N}+)"}, {.kind = Kind::thousands}};
constexpr Pass kLines[] = {{.regex = R"([^\n]+|[\n]+)"}};
constexpr Pass kWhitespace[] = {{.regex = R"(\S+)"}};

constexpr PreTokenizerRule kRules[] = {
    {.names = "default", .passes = kDefault},
    {.names = "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
     .passes = kLlama3,
     .ignore_merges = true,
     .add_bos = true},
    {.names = "dbrx smaug-bpe", .passes = kLlama3},
    {.names = "chatglm-bpe", .passes = kLlama3, .no_bos = true},
    {.names = "glm4 glm5", .passes = kLlama3, .ignore_merges = true, .no_bos = true},
    {.names = "jais-2", .passes = kJais2},
    {.names = "gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert exaone4 "
              "mpt olmo jais trillion granite-docling jina-v1-en jina-v2-code roberta-bpe",
     .passes = kGpt2},
    {.names = "starcoder refact command-r smollm codeshell exaone minerva-7b mellum2", .passes = kDigitsGpt2},
    {.names = "falcon", .passes = kFalcon},
    {.names = "qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2",
     .passes = kQwen2},
    {.names = "qwen35", .passes = kQwen35},
    {.names = "ufakzeka", .passes = kUfakzeka},
    {.names = "laguna", .passes = kLaguna},
    {.names = "minicpm5", .passes = kMinicpm5, .ignore_merges = true},
    {.names = "seed-coder", .passes = kSeedCoder},
    {.names = "bailingmoe bailingmoe2 llada-moe", .passes = kBailing},
    {.names = "exaone-moe", .passes = kExaoneMoe},
    {.names = "tekken", .passes = kTekken, .ignore_merges = true, .add_bos = true},
    {.names = "gpt-4o llama4 kanana2 talkie minimax-m2", .passes = kGpt4o},
    {.names = "granite-embed-multi-97m", .passes = kGraniteMulti, .ignore_merges = true},
    {.names = "tiny_aya cohere2moe", .passes = kTinyAya},
    {.names = "youtu", .passes = kYoutu, .ignore_merges = true},
    {.names = "kimi-k2", .passes = kKimi},
    {.names = "deepseek-v3 hunyuan-dense hy_v4 joyai-llm", .passes = kDeepseek3},
    {.names = "spark2_5", .passes = kSpark},
    {.names = "afmoe", .passes = kAfmoe},
    {.names = "deepseek-llm", .passes = kDeepseekLlm},
    {.names = "deepseek-coder", .passes = kDeepseekCoder},
    {.names = "bloom gpt3-finnish poro-chat", .passes = kBloom},
    {.names = "viking", .passes = kViking},
    {.names = "chameleon", .passes = kChameleon, .add_bos = true},
    {.names = "superbpe", .passes = kSuperbpe},
    {.names = "gemma4 granite-embed-multi-311m",
     .passes = kLines,
     .always_bos = true,
     .escape_spaces = true,
     .raw = true},
    {.names = "sarvam-moe", .passes = kLines, .escape_spaces = true, .raw = true},
    {.names = "whitespace", .passes = kWhitespace, .raw = true},
};

}  // namespace

const PreTokenizerRule* find_pre_tokenizer(std::string_view name) {
  if (name.empty()) name = "default";
  if (name.find(' ') != std::string_view::npos) return nullptr;
  for (const PreTokenizerRule& rule : kRules) {
    for (std::string_view rest = rule.names; !rest.empty();) {
      const size_t end = std::min(rest.find(' '), rest.size());
      if (rest.substr(0, end) == name) return &rule;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return nullptr;
}

std::span<const PreTokenizerRule> pre_tokenizer_rules() {
  return kRules;
}

}  // namespace uma
