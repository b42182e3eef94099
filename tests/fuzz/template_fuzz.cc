// libFuzzer target of the chat template engine. An input is a template, and after a zero byte the variables
// as JSON; without a zero byte, a conversation of our own. Whatever the bytes are: text comes out, the same
// text each time and in UTF-8, or one Error tagged "template".
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "text/chat_template.h"
#include "text/jinja_unicode.h"

namespace {

constexpr std::string_view kConversation = R"({"messages":[{"role":"system","content":"Be brief."},
{"role":"user","content":"Weather in \u00c9vry? \ud83d\ude42"},{"role":"assistant","content":null,"tool_calls":[
{"id":"abcdefghi","type":"function","function":{"name":"weather","arguments":{"town":"\u00c9vry","days":[1,2.5]}}}]},
{"role":"tool","tool_call_id":"abcdefghi","name":"weather","content":"22"},{"role":"user","content":[
{"type":"text","text":"Thanks"},{"type":"image"}]}],"tools":[{"type":"function","function":{"name":"weather",
"description":"now","parameters":{"type":"object","properties":{"town":{"type":"string"}},"required":["town"]}}}],
"add_generation_prompt":true,"bos_token":"<s>","eos_token":"</s>","n":7,"s":"a b","l":[3,1,2],"d":{"b":1,"a":2}})";

std::optional<std::string> render(std::string_view source, std::string_view variables) {
  uma::TemplateLimits limits;
  limits.max_steps = 300'000;
  limits.max_memory_bytes = size_t{32} << 20;
  limits.max_output_bytes = size_t{4} << 20;
  try {
    return uma::ChatTemplate::parse(source, limits).render(variables, 1'700'000'000);
  } catch (const uma::Error& e) {
    if (e.op() != "template" || e.code() == uma::ErrorCode::kInternal) std::abort();
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t zero = all.find('\0');
  const std::string_view source = all.substr(0, zero);
  const std::string_view variables = zero == all.npos ? kConversation : all.substr(zero + 1);
  const auto first = render(source, variables);
  if (first && uma::jinja::utf8_fault(*first) != std::string_view::npos) std::abort();
  if (render(source, variables) != first) std::abort();
  return 0;
}
