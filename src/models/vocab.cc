#include "models/vocab.h"

#include <algorithm>

#include "base/error.h"
#include "io/gguf.h"
#include "text/tokenizer.h"

namespace uma {
namespace {

constexpr auto kFormat = ErrorCode::kFormat;

/// tokenizer.* keys. A key of the wrong kind is an error, a missing one is not.
class Keys {
 public:
  explicit Keys(const GgufFile& file) : file_(file) {}

  std::string text(const char* key) const {
    return std::string(take(key, file_.find_string(key), "a string").value_or(""));
  }
  std::optional<bool> flag(const char* key) const { return take(key, file_.find_bool(key), "a bool"); }
  std::vector<std::string_view> strings(const char* key) const {
    return take(key, file_.find_strings(key), "an array of strings")
        .value_or(std::vector<std::string_view>());
  }
  std::vector<float> floats(const char* key) const {
    return take(key, file_.find_floats(key), "an array of f32").value_or(std::vector<float>());
  }
  std::vector<int32_t> ints(const char* key) const {
    return take(key, file_.find_ints(key), "an array of i32").value_or(std::vector<int32_t>());
  }
  /// A token. -1 (as u32: 2^32 - 1) is how some files say that they have none.
  std::optional<int32_t> token(const char* key) const {
    const auto id = take(key, file_.find_int(key), "a whole number");
    if (!id || *id == -1 || *id == UINT32_MAX) return {};
    check(*id >= 0 && *id <= INT32_MAX, kFormat, "gguf", "{}: key '{}' is {}, which is no token",
          file_.path(), key, *id);
    return static_cast<int32_t>(*id);
  }

 private:
  template <class T>
  std::optional<T> take(const char* key, std::optional<T> value, const char* kind) const {
    check(value.has_value() || !file_.has(key), kFormat, "gguf", "{}: key '{}' is not {}", file_.path(), key,
          kind);
    return value;
  }
  const GgufFile& file_;
};

VocabData read_data(const std::shared_ptr<const GgufFile>& file) {
  const Keys keys(*file);
  check(file->has("tokenizer.ggml.tokens"), kFormat, "gguf",
        "{}: has no vocabulary (key 'tokenizer.ggml.tokens' is missing)", file->path());
  VocabData data;
  check(file->has("tokenizer.ggml.model"), kFormat, "gguf",
        "{}: does not say which tokenizer it has (key 'tokenizer.ggml.model' is missing)", file->path());
  data.model = keys.text("tokenizer.ggml.model");
  data.pre = keys.text("tokenizer.ggml.pre");
  data.name = keys.text("general.name");
  data.architecture = keys.text("general.architecture");
  data.tokens = keys.strings("tokenizer.ggml.tokens");
  data.scores = keys.floats("tokenizer.ggml.scores");
  data.types = keys.ints("tokenizer.ggml.token_type");
  data.merges = keys.strings("tokenizer.ggml.merges");
  check(file->has("tokenizer.ggml.merges") || (data.model != "gpt2" && data.model != "gemma4"), kFormat,
        "gguf", "{}: has no merges (key 'tokenizer.ggml.merges' is missing), which a '{}' vocabulary needs",
        file->path(), data.model);
  data.bos = keys.token("tokenizer.ggml.bos_token_id");
  data.eos = keys.token("tokenizer.ggml.eos_token_id");
  data.eot = keys.token("tokenizer.ggml.eot_token_id");
  data.eom = keys.token("tokenizer.ggml.eom_token_id");
  data.unk = keys.token("tokenizer.ggml.unknown_token_id");
  data.sep = keys.token("tokenizer.ggml.seperator_token_id");  // so spelled in the format
  data.pad = keys.token("tokenizer.ggml.padding_token_id");
  data.cls = keys.token("tokenizer.ggml.cls_token_id");
  data.mask = keys.token("tokenizer.ggml.mask_token_id");
  // Each has an older name, which wins where a file has both.
  const auto fim = [&](const char* key, const char* older) {
    const auto id = keys.token(older);
    return id ? id : keys.token(key);
  };
  data.fim_pre = fim("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id");
  data.fim_suf = fim("tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id");
  data.fim_mid = fim("tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id");
  data.fim_pad = keys.token("tokenizer.ggml.fim_pad_token_id");
  data.fim_rep = keys.token("tokenizer.ggml.fim_rep_token_id");
  data.fim_sep = keys.token("tokenizer.ggml.fim_sep_token_id");
  data.add_bos = keys.flag("tokenizer.ggml.add_bos_token");
  data.add_eos = keys.flag("tokenizer.ggml.add_eos_token");
  data.lowercase = keys.flag("tokenizer.ggml.normalizer.lowercase");
  data.strip_accents = keys.flag("tokenizer.ggml.normalizer.strip_accents");
  data.add_space_prefix = keys.flag("tokenizer.ggml.add_space_prefix");
  data.keep_alive = file;
  return data;
}

}  // namespace

bool Vocabulary::ends_answer(int32_t token) const {
  return std::binary_search(end_of_answer.begin(), end_of_answer.end(), token);
}

std::string Vocabulary::token_text(int32_t token) const {
  return token < 0 ? std::string() : tokenizer->piece(token, true);
}

std::shared_ptr<const Vocabulary> load_vocabulary(const std::shared_ptr<const GgufFile>& file) {
  auto vocabulary = std::make_shared<Vocabulary>();
  try {
    vocabulary->tokenizer = Tokenizer::make(read_data(file));
  } catch (const Error& e) {
    if (e.message().starts_with(file->path())) throw;
    throw Error(e.code(), e.op(), file->path() + ": " + std::string(e.message()));
  }
  const Tokenizer& tokenizer = *vocabulary->tokenizer;
  vocabulary->size = tokenizer.size();
  vocabulary->bos = tokenizer.bos();
  vocabulary->eos = tokenizer.eos();
  vocabulary->add_bos = tokenizer.add_bos();
  vocabulary->end_of_answer = tokenizer.end_tokens();
  vocabulary->chat_template = Keys(*file).text("tokenizer.chat_template");
  file->check_intact();
  return vocabulary;
}

std::shared_ptr<const Vocabulary> load_vocabulary(const std::string& path) {
  return load_vocabulary(GgufFile::open(path));
}

}  // namespace uma
