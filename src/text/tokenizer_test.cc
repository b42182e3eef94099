// Tokenizers on small vocabularies made here. Whole vocabularies: tests/tokenizer_golden_test.cc.
#include "text/tokenizer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <ctime>
#include <deque>
#include <thread>

#include "base/error.h"
#include "text/pre_tokenizer.h"
#include "text/utf8.h"

namespace uma {
namespace {

using Ids = std::vector<int32_t>;

constexpr int kNormalType = 1, kUnknownType = 2, kControlType = 3, kUserType = 4, kUnusedType = 5,
              kByteType = 6;

class Vocab {
 public:
  explicit Vocab(std::string model, std::string pre = "") {
    data_.model = std::move(model);
    data_.pre = std::move(pre);
    data_.keep_alive = texts_;
  }
  int32_t add(std::string text, int type = kNormalType, float score = 0) {
    data_.tokens.push_back(texts_->emplace_back(std::move(text)));
    data_.types.push_back(type);
    data_.scores.push_back(score);
    return static_cast<int32_t>(data_.tokens.size()) - 1;
  }
  void merge(std::string pair) { data_.merges.push_back(texts_->emplace_back(std::move(pair))); }
  VocabData& data() { return data_; }
  std::shared_ptr<const Tokenizer> make() const { return Tokenizer::make(data_); }

 private:
  std::shared_ptr<std::deque<std::string>> texts_ = std::make_shared<std::deque<std::string>>();
  VocabData data_;
};

/// <unk> <s> </s>, 256 bytes, then what the test adds.
Vocab sentencepiece() {
  Vocab v("llama");
  v.add("<unk>", kUnknownType);
  v.add("<s>", kControlType);
  v.add("</s>", kControlType);
  for (int b = 0; b < 256; ++b) v.add(fmt::format("<0x{:02X}>", b), kByteType);
  return v;
}
constexpr int32_t kFirstByte = 3, kFirstPiece = 259;

/// The printable part of GPT-2's alphabet, space (Ġ) and newline (Ċ).
Vocab bpe(const std::string& pre = "gpt-2") {
  Vocab v("gpt2", pre);
  for (int c = '!'; c <= '~'; ++c) v.add(std::string(1, static_cast<char>(c)));
  v.add("Ġ");
  v.add("Ċ");
  return v;
}
int32_t letter(char c) {
  return c - '!';
}
constexpr int32_t kBpeSpace = 94, kBpeNewline = 95, kFirstMerged = 96;

ErrorCode code_of(const Vocab& v) {
  try {
    v.make();
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode::kInternal;
}

TEST(SentencePiece, MergesTheBestScoreFirstAndTheLeftmostOfEqualOnes) {
  Vocab v = sentencepiece();
  v.data().add_space_prefix = false;
  const int32_t a = v.add("a"), b = v.add("b"), ab = v.add("ab", kNormalType, -2),
                ba = v.add("ba", kNormalType, -1);
  const int32_t aa = v.add("aa", kNormalType, -3);
  const auto t = v.make();
  EXPECT_EQ(t->encode("abab"), (Ids{a, ba, b}));  // ba is better than ab
  EXPECT_EQ(t->encode("ab"), (Ids{ab}));
  EXPECT_EQ(t->encode("aaa"), (Ids{aa, a}));
}

TEST(SentencePiece, WhatIsNoTokenFallsBackToBytes) {
  Vocab v = sentencepiece();
  v.data().add_space_prefix = false;
  v.add("a");
  const auto t = v.make();
  EXPECT_EQ(t->encode("é"), (Ids{kFirstByte + 0xc3, kFirstByte + 0xa9}));
  EXPECT_EQ(t->encode("\xff"), (Ids{kFirstByte + 0xff}));
  EXPECT_EQ(t->encode(std::string_view("\0", 1)), (Ids{kFirstByte}));
  EXPECT_EQ(t->piece(kFirstByte + 0xc3), "\xc3");
  EXPECT_EQ(t->spelling(kFirstByte + 0xc3), "<0xC3>");
  EXPECT_THROW(t->spelling(-1), Error);
  EXPECT_THROW(t->spelling(static_cast<int32_t>(t->size())), Error);
}

TEST(SentencePiece, WithoutByteTokensTheUnknownTokenStands) {
  Vocab v("llama");
  const int32_t unknown = v.add("<unk>", kUnknownType);
  v.add("<s>", kControlType);
  v.add("</s>", kControlType);
  const int32_t space = v.add("▁"), a = v.add("a");
  EXPECT_EQ(v.make()->encode("a!"), (Ids{space, a, unknown}));
}

TEST(SentencePiece, ASpaceIsAddedBeforeTheTextAndAfterSpecialTokens) {
  Vocab v = sentencepiece();
  const int32_t space = v.add("▁"), a = v.add("a"), spaced = v.add("▁a");
  const int32_t special = v.add("<tool>", kUserType);
  auto t = v.make();
  EXPECT_TRUE(t->adds_space_prefix());
  EXPECT_EQ(t->encode("a"), (Ids{spaced}));
  EXPECT_EQ(t->encode("a<tool>a"), (Ids{spaced, special, spaced}));
  EXPECT_EQ(t->encode(" a"), (Ids{space, spaced}));
  EXPECT_EQ(t->encode(""), Ids{});
  v.data().add_space_prefix = false;
  t = v.make();
  EXPECT_EQ(t->encode("a<tool>a"), (Ids{a, special, a}));
}

TEST(SentencePiece, BeginsAndEndsAsTheFileSays) {
  Vocab v = sentencepiece();
  v.add("▁a");
  EXPECT_EQ(v.make()->encode("a", {.add_special = true}), (Ids{1, kFirstPiece}));  // the default: bos alone
  EXPECT_EQ(v.make()->encode("", {.add_special = true}), (Ids{1}));
  v.data().add_bos = false;
  v.data().add_eos = true;
  EXPECT_EQ(v.make()->encode("a", {.add_special = true}), (Ids{kFirstPiece, 2}));
  EXPECT_EQ(v.make()->encode("a"), (Ids{kFirstPiece}));
}

TEST(Bpe, MergesByRankInsideAWordOnly) {
  Vocab v = bpe();
  const int32_t he = v.add("he"), ll = v.add("ll"), hell = v.add("hell"), spaced = v.add("Ġh");
  for (const char* pair : {"l l", "h e", "he ll", "Ġ h", "o Ġ"}) v.merge(pair);
  v.add("oĠ");
  const auto t = v.make();
  EXPECT_EQ(t->encode("hello"), (Ids{hell, letter('o')}));
  EXPECT_EQ(t->encode("hel"), (Ids{he, letter('l')}));
  EXPECT_EQ(t->encode("llx"), (Ids{ll, letter('x')}));
  EXPECT_EQ(t->encode(" hx"), (Ids{spaced, letter('x')}));
  EXPECT_EQ(t->encode("o x"),
            (Ids{letter('o'), kBpeSpace, letter('x')}));  // a cut lies between o and the space
  EXPECT_EQ(t->decode(t->encode("o x")), "o x");
}

TEST(Bpe, AMergeMayPassThroughASymbolThatIsNoToken) {
  Vocab v = bpe();
  const int32_t abc = v.add("abc");
  v.merge("a b");  // "ab" is no token
  v.merge("ab c");
  const auto t = v.make();
  EXPECT_EQ(t->encode("abc"), (Ids{abc}));
  EXPECT_EQ(t->encode("abd"), (Ids{letter('a'), letter('b'), letter('d')}));
}

TEST(Bpe, IgnoreMergesTakesAWordThatIsAToken) {
  for (const bool ignores : {false, true}) {
    Vocab v = bpe(ignores ? "llama-bpe" : "dbrx");
    const int32_t word = v.add("word");
    const auto t = v.make();
    EXPECT_EQ(t->encode("word"),
              ignores ? (Ids{word}) : (Ids{letter('w'), letter('o'), letter('r'), letter('d')}));
  }
}

TEST(Bpe, BytesWithoutATokenAreLeftOut) {
  EXPECT_EQ(bpe().make()->encode("aéb"), (Ids{letter('a'), letter('b')}));
}

/// Characters, bytes, and merges across spaces.
Vocab characters(const std::string& model, const std::string& pre) {
  Vocab v(model, pre);
  for (int b = 0; b < 256; ++b) v.add(fmt::format("<0x{:02X}>", b), kByteType);
  for (const char* text : {"▁", "a", "é", "\n", "a▁", "a▁a", "\n\n", "\n\n\n"}) v.add(text);
  v.merge("a ▁");
  v.merge("a▁ a");
  return v;
}

TEST(Bpe, CharacterRulesMergeAcrossSpacesAndSpellBytes) {
  for (const char* pre : {"gemma4", "granite-embed-multi-311m", "sarvam-moe"}) {
    const auto t = characters("gpt2", pre).make();
    EXPECT_EQ(t->encode("a a"), (Ids{261})) << pre;
    EXPECT_EQ(t->encode("é "), (Ids{258, 256})) << pre;
    EXPECT_EQ(t->encode("ü"), (Ids{0xc3, 0xbc})) << pre;
    EXPECT_EQ(t->decode(t->encode("a a\nü")), "a a\nü") << pre;
  }
  // gemma4 has runs of newlines as tokens that no merge makes.
  EXPECT_EQ(characters("gemma4", "").make()->encode("\n\n\n"), (Ids{263}));
  EXPECT_EQ(characters("gpt2", "sarvam-moe").make()->encode("\n\n"), (Ids{259, 259}));
  EXPECT_EQ(characters("gpt2", "whitespace").make()->encode("aé\na"), (Ids{257, 258, 259, 257}));
}

TEST(Bpe, Gemma4BeginsWithBosWhateverTheFileSays) {
  Vocab v = characters("gemma4", "");
  v.data().add_bos = false;
  EXPECT_EQ(v.make()->encode("a", {.add_special = true}), (Ids{257}));  // it has none
  v.data().bos = v.add("<bos>", kControlType);
  EXPECT_EQ(v.make()->encode("a", {.add_special = true}), (Ids{*v.data().bos, 257}));
}

Vocab wordpiece() {
  Vocab v("bert");
  for (const char* text : {"[UNK]", "[CLS]", "[SEP]"}) v.add(text, kControlType);
  v.data().unk = 0;
  v.data().bos = 1;
  v.data().sep = 2;
  for (const char* text : {"▁un", "aff", "able", "▁a", "▁,", "▁中", "▁e", "▁A", "▁é"}) v.add(text);
  return v;
}

TEST(WordPiece, TakesTheLongestPieceAndAllOfAWordOrNothing) {
  const auto t = wordpiece().make();
  EXPECT_EQ(t->encode("unaffable"), (Ids{3, 4, 5}));
  EXPECT_EQ(t->encode("unaffablex a"), (Ids{0, 6}));
  EXPECT_EQ(t->encode("a,a中a"), (Ids{6, 7, 6, 8, 6}));
  EXPECT_EQ(t->encode(" \t\n "), Ids{});
  EXPECT_EQ(t->encode("a", {.add_special = true}), (Ids{1, 6, 2}));
}

TEST(WordPiece, LowersAndStripsAccentsUnlessTheFileSaysNo) {
  Vocab v = wordpiece();
  EXPECT_EQ(v.make()->encode("A É"), (Ids{6, 9}));
  v.data().strip_accents = false;
  EXPECT_EQ(v.make()->encode("A É"), (Ids{6, 11}));
  v.data().lowercase = false;
  EXPECT_EQ(v.make()->encode("A é"), (Ids{10, 11}));
}

TEST(WordPiece, TheFileCannotTakeAwayItsEnds) {
  Vocab v = wordpiece();
  v.data().add_bos = false;
  v.data().add_eos = true;
  EXPECT_EQ(v.make()->encode("a", {.add_special = true}), (Ids{1, 6, 2}));
}

TEST(SpecialTokens, UserDefinedOnesAlwaysControlOnesOnRequest) {
  Vocab v = bpe();
  const int32_t user = v.add("<tool>", kUserType), control = v.add("<ctl>", kControlType);
  const auto t = v.make();
  EXPECT_EQ(t->encode("a<tool>"), (Ids{letter('a'), user}));
  EXPECT_EQ(t->encode("<ctl>").size(), 5u);
  EXPECT_EQ(t->encode("<ctl>a<ctl>", {.parse_special = true}), (Ids{control, letter('a'), control}));
}

TEST(SpecialTokens, TheLongestWinsWhereverItStands) {
  Vocab v = bpe();
  const int32_t shorter = v.add("<a>", kUserType), longer = v.add("b<a>b", kUserType);
  EXPECT_EQ(v.make()->encode("<a>b<a>b<a>"), (Ids{shorter, longer, shorter}));
}

TEST(SpecialTokens, Phi3DropsSpacesAfterThem) {
  Vocab v = sentencepiece();
  const int32_t user = v.add("<|user|>", kUserType), a = v.add("▁a");
  v.data().name = "Phi-3 Mini";
  EXPECT_EQ(v.make()->encode("<|user|> \n a"), (Ids{user, a}));
  v.data().name = "other";
  EXPECT_GT(v.make()->encode("<|user|> \n a").size(), 2u);
}

TEST(SpecialTokens, TheMaskTakesTheSpacesBeforeIt) {
  Vocab v = bpe("jina-v2-es");
  const int32_t mask = v.add("<mask>", kControlType);
  EXPECT_EQ(v.make()->encode("a \n<mask> a", {.parse_special = true}),
            (Ids{letter('a'), mask, kBpeSpace, letter('a')}));
  v.data().pre = "gpt-2";
  EXPECT_EQ(v.make()->encode("a <mask>", {.parse_special = true}), (Ids{letter('a'), kBpeSpace, mask}));
  v.data().architecture = "nomic-bert-moe";
  EXPECT_EQ(v.make()->encode("a <mask>", {.parse_special = true}), (Ids{letter('a'), mask}));
}

TEST(EndTokens, AreKnownByIdAndByText) {
  Vocab v = bpe();
  const int32_t named = v.add("stop"), turn = v.add("<|im_end|>"), pad = v.add("<fim_pad>", kUserType);
  v.add("<|im_start|>", kControlType);
  v.data().eos = named;
  const auto t = v.make();
  EXPECT_EQ(t->end_tokens(), (Ids{named, turn, pad}));
  // By text they are control tokens whatever the file says.
  EXPECT_EQ(t->piece(turn, false), "");
  EXPECT_EQ(t->piece(turn, true), "<|im_end|>");
  EXPECT_EQ(t->encode("<|im_end|>", {.parse_special = true}), (Ids{turn}));
  EXPECT_EQ(t->encode("<|im_end|>").size(), 10u);
}

TEST(EndTokens, AMessageEndIsNoneWhereAnAnswerEndsOtherwise) {
  Vocab v = bpe();
  const int32_t eos = v.add("<|return|>", kControlType), end = v.add("<|end|>", kControlType);
  v.data().eos = eos;
  EXPECT_EQ(v.make()->end_tokens(), (Ids{eos, end}));
  const int32_t call = v.add("<|call|>", kControlType);
  const auto t = v.make();
  EXPECT_EQ(t->end_tokens(), (Ids{eos, call}));
  EXPECT_EQ(t->piece(end, false), "<|end|>");
}

TEST(EndTokens, AnHtmlTagIsNoneInAModelThatHasOtherEnds) {
  Vocab v = bpe();
  const int32_t tag = v.add("</s>", kUserType);
  v.data().eos = tag - 1;
  EXPECT_EQ(v.make()->end_tokens(), (Ids{tag - 1, tag}));
  const int32_t response = v.add("<|tool_response>", kControlType);
  const auto t = v.make();
  EXPECT_EQ(t->end_tokens(), (Ids{tag - 1, response}));
  EXPECT_EQ(t->piece(tag, false), "</s>");
}

TEST(Pieces, ShowWhatATokenIs) {
  Vocab v = sentencepiece();
  const int32_t word = v.add("▁a▁b"), unused = v.add("<unused>", kUnusedType), user = v.add("▁u", kUserType);
  const auto t = v.make();
  EXPECT_EQ(t->piece(word), " a b");
  EXPECT_EQ(t->piece(unused), "");
  EXPECT_EQ(t->piece(user), "▁u");  // as it is written
  EXPECT_EQ(t->piece(1, true), "<s>");
  EXPECT_EQ(t->piece(1, false), "");
  EXPECT_EQ(t->decode(Ids{1, word, 2}), " a b");
  EXPECT_EQ(t->decode(Ids{1, word, 2}, true), "<s> a b</s>");
  for (const int32_t id : {-1, static_cast<int32_t>(t->size())}) EXPECT_THROW(t->piece(id), Error);
}

TEST(Utf8, IsReadAsLlamaCppReadsIt) {
  EXPECT_EQ(utf8_as_read("a\xc3\xa9"), "a\xc3\xa9");
  EXPECT_EQ(utf8_as_read("\xc1\xbf"), "\x7f");                      // overlong
  EXPECT_EQ(utf8_as_read("\xe0\x80\x80"), std::string(1, '\0'));    // overlong
  EXPECT_EQ(utf8_as_read("\xed\xa0\x80"), "\xed\xa0\x80");          // a surrogate
  EXPECT_EQ(utf8_as_read("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd");  // cut off
  EXPECT_EQ(utf8_as_read("\xc3("), "\xef\xbf\xbd(");
  EXPECT_EQ(utf8_as_read("\xff"), "\xef\xbf\xbd");
  EXPECT_EQ(utf8_as_read("\xf4\x90\x80\x80").size(), 12u);  // above U+10FFFF
}

TEST(PreTokenizer, EveryRuleCutsWithoutGapsAndTakesSurrogates) {
  const std::string text = "Ab1 \xed\xa0\x80x\xf0\xb1\x8d\x90y, 12345 don't\n\n  \xe6\xbc\xa2\xe5\xad\x97 z";
  for (const PreTokenizerRule& rule : pre_tokenizer_rules()) {
    std::string joined;
    for (const std::string_view word : PreTokenizer(rule).split(text)) {
      EXPECT_FALSE(word.empty()) << rule.names;
      joined += word;
    }
    EXPECT_EQ(joined, text) << rule.names;
  }
}

TEST(PreTokenizer, RulesAreFoundByWholeNames) {
  EXPECT_EQ(find_pre_tokenizer(""), find_pre_tokenizer("default"));
  EXPECT_NE(find_pre_tokenizer("llama-bpe"), nullptr);
  EXPECT_EQ(find_pre_tokenizer("llama"), nullptr);
  EXPECT_EQ(find_pre_tokenizer("llama3 llama-v3"), nullptr);
  EXPECT_EQ(find_pre_tokenizer("nonesuch"), nullptr);
}

// A character comes once it is whole, however its bytes are cut into tokens.
TEST(Detokenizer, NeverSplitsACharacter) {
  const auto t = sentencepiece().make();
  const std::string text = "aé漢😀\xed\x9f\xbf";
  Detokenizer stream(*t);
  std::string all;
  for (const char c : text) {
    const std::string part = stream.put(kFirstByte + static_cast<unsigned char>(c));
    for (size_t i = 0; i < part.size(); i += utf8_valid_length(part, i))
      ASSERT_GT(utf8_valid_length(part, i), 0u);
    all += part;
  }
  EXPECT_EQ(all, text);
  EXPECT_EQ(stream.flush(), "");
}

TEST(Detokenizer, ShowsBrokenBytesAsReplacementCharacters) {
  const auto t = sentencepiece().make();
  Detokenizer stream(*t);
  const auto put = [&](int byte) { return stream.put(kFirstByte + byte); };
  EXPECT_EQ(put(0x80), "\xef\xbf\xbd");  // a stray continuation
  EXPECT_EQ(put(0xe2), "");
  EXPECT_EQ(put(0x82), "");
  EXPECT_EQ(put('a'),
            "\xef\xbf\xbd\xef\xbf\xbd"
            "a");
  EXPECT_EQ(put(0xff), "\xef\xbf\xbd");
  EXPECT_EQ(put(0xf0), "");
  EXPECT_EQ(put(0x9f), "");
  EXPECT_EQ(stream.flush(), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(stream.flush(), "");
}

TEST(Errors, AVocabularyThatCannotBe) {
  EXPECT_EQ(code_of(Vocab("llama")), ErrorCode::kFormat);  // no tokens
  {
    Vocab v = sentencepiece();
    v.data().scores.pop_back();
    EXPECT_EQ(code_of(v), ErrorCode::kFormat);
  }
  {
    Vocab v = sentencepiece();
    v.data().types.pop_back();
    EXPECT_EQ(code_of(v), ErrorCode::kFormat);
  }
  for (auto id :
       {&VocabData::bos, &VocabData::eos, &VocabData::eot, &VocabData::eom, &VocabData::unk, &VocabData::sep,
        &VocabData::pad, &VocabData::cls, &VocabData::mask, &VocabData::fim_pre, &VocabData::fim_suf,
        &VocabData::fim_mid, &VocabData::fim_pad, &VocabData::fim_rep, &VocabData::fim_sep}) {
    Vocab v = sentencepiece();
    v.data().*id = 259;
    EXPECT_EQ(code_of(v), ErrorCode::kFormat);
    v.data().*id = -1;
    EXPECT_EQ(code_of(v), ErrorCode::kFormat);
  }
  for (const char* text : {"<0xZZ>", "<0x1>", "x", "<0x+1>"}) {
    Vocab v = sentencepiece();
    v.add(text, kByteType);
    EXPECT_EQ(code_of(v), ErrorCode::kFormat) << text;
  }
  Vocab merges = bpe();
  merges.merge("ab");
  EXPECT_EQ(code_of(merges), ErrorCode::kFormat);
  EXPECT_EQ(code_of(bpe("nonesuch")), ErrorCode::kUnsupported);
  Vocab unknown("nonesuch");
  unknown.add("a");
  EXPECT_EQ(code_of(unknown), ErrorCode::kUnsupported);
}

// A megabyte without a cut: what takes longer than linear would take hours. The limit is loose for
// sanitizers.
TEST(LongTexts, TakeBoundedTime) {
  Vocab pieces = sentencepiece();
  for (size_t n = 1; n <= 16; n *= 2) {
    pieces.add(std::string(n, 'a'), kNormalType, -static_cast<float>(n));
    std::string spaces;
    for (size_t i = 0; i < n; ++i) spaces += "▁";
    pieces.add(spaces, kNormalType, -static_cast<float>(n));
  }
  Vocab words = bpe();
  std::string left = "a";
  for (int i = 0; i < 4; ++i, left += left) {
    words.merge(left + " " + left);
    words.add(left + left);
  }
  constexpr size_t kLength = 1 << 20;
  const std::clock_t start = std::clock();
  for (const auto& t : {pieces.make(), words.make()})
    for (const char c : {'a', ' ', '\n', '1', '\xff'})
      EXPECT_LE(t->encode(std::string(kLength, c)).size(), 3 * kLength + 1) << c;
  EXPECT_EQ(pieces.make()->encode(std::string(kLength, 'a')).size(), kLength / 16 + 1);  // and a space before
  EXPECT_EQ(words.make()->encode(std::string(kLength, 'a')).size(), kLength / 16);
  EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 120);  // of this process, however busy the machine
}

TEST(Threads, EncodeTogether) {
  Vocab v = bpe();
  const int32_t he = v.add("he");
  v.merge("h e");
  const auto t = v.make();
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int& count : wrong)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) count += t->encode("he he") != Ids{he, kBpeSpace, he};
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

}  // namespace
}  // namespace uma
