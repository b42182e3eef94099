// tokenize, template: a model's text side, without its weights.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "models/vocab.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace uma::cli {

using Json = nlohmann::ordered_json;

int tokenize(const TokenizeOptions& o) {
  const auto vocabulary = load_vocabulary(find_local(o.model));
  const std::string text = read_stdin();
  const Tokenizer& tokenizer = *vocabulary->tokenizer;
  const std::vector<int32_t> ids = tokenizer.encode(text, {.add_special = true, .parse_special = o.special});
  if (!o.json) {
    for (const int32_t id : ids)
      outf("{:>8}  {}\n", id, Json(tokenizer.piece(id)).dump(-1, ' ', false, Json::error_handler_t::replace));
    return 0;
  }
  Json json;
  json["ids"] = ids;
  json["pieces"] = Json::array();
  for (const int32_t id : ids) json["pieces"].push_back(tokenizer.piece(id));
  // A piece may be part of a character; JSON is UTF-8, so such bytes show as U+FFFD. The ids are exact.
  outf("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
  return 0;
}

int render_template(const TemplateOptions& o) {
  // With --file there is one word, and it is FILE.
  const bool from_file = !o.template_file.empty();
  const std::string& variables_path = from_file && o.file.empty() ? o.model : o.file;
  if (variables_path.empty() || (from_file ? !o.file.empty() : o.model.empty()))
    throw UsageError("template", "takes MODEL FILE, or --file TEMPLATE FILE");
  std::string source, bos, eos;
  if (from_file) {
    source = read_file(o.template_file);
  } else {
    const auto vocabulary = load_vocabulary(find_local(o.model));
    source = settings_of(o.model).template_source;
    if (source.empty()) source = vocabulary->chat_template;
    check(!source.empty(), ErrorCode::kNotFound, "template", "{} has no chat template", o.model);
    bos = vocabulary->token_text(vocabulary->bos);
    eos = vocabulary->token_text(vocabulary->eos);
  }
  const std::string variables = variables_path == "-" ? read_stdin() : read_file(variables_path);
  const ChatTemplate chat = ChatTemplate::parse(source);
  // The model's own tokens, unless the file names others: its keys win.
  const std::string text = from_file
                               ? chat.render(variables)
                               : chat.render(std::span<const ChatMessage>{}, {.bos_token = bos,
                                                                              .eos_token = eos,
                                                                              .add_generation_prompt = false,
                                                                              .extra_json = variables});
  if (o.json)
    outf("{}\n", Json{{"text", text}}.dump(-1, ' ', false, Json::error_handler_t::replace));
  else
    out(text);  // and nothing more: a newline here would be part of the prompt
  return 0;
}

}  // namespace uma::cli
