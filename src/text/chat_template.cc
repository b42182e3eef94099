#include "text/chat_template.h"

#include "text/jinja_interp.h"
#include "text/jinja_unicode.h"

namespace uma {

using jinja::DictObj;
using jinja::Value;

struct ChatTemplate::Impl {
  std::string source;
  TemplateLimits limits;
  std::unique_ptr<jinja::Program> program;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

const std::string& ChatTemplate::source() const {
  return impl_->source;
}

ChatTemplate ChatTemplate::parse(std::string_view source, const TemplateLimits& limits) {
  check(source.size() <= limits.max_source_bytes, ErrorCode::kLimit, "template",
        "the template has {} bytes, more than the {} that are read", source.size(), limits.max_source_bytes);
  const size_t fault = jinja::utf8_fault(source);
  check(fault == source.npos, ErrorCode::kFormat, "template", "byte {} of the template is not UTF-8", fault);
  auto impl = std::make_unique<Impl>();
  impl->source = source;
  impl->limits = limits;
  impl->program = jinja::parse_program(impl->source, limits);
  return ChatTemplate(std::move(impl));
}

std::string ChatTemplate::render(std::string_view json_variables, std::optional<int64_t> now_s) const {
  jinja::Interp interp(*impl_->program, impl_->limits, now_s);
  const Value variables = jinja::from_json(interp, json_variables);
  check(variables.is(jinja::Kind::kDict), ErrorCode::kFormat, "template",
        "the variables must be a JSON object, not {}", jinja::type_name(variables));
  return interp.run(variables);
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages, const ChatVariables& variables,
                                 std::optional<int64_t> now_s) const {
  jinja::Interp in(*impl_->program, impl_->limits, now_s);
  const auto text = [&](std::string_view s, std::string_view what) {
    const size_t fault = jinja::utf8_fault(s);
    check(fault == s.npos, ErrorCode::kInvalidArgument, "template", "byte {} of {} is not UTF-8", fault,
          what);
    return in.str(s);
  };
  std::vector<Value> list;
  for (const ChatMessage& m : messages) {
    const auto message = in.make<DictObj>();
    message->set(in, in.str("role"), text(m.role, "a message's role"));
    message->set(in, in.str("content"), text(m.content, "a message's content"));
    if (!m.fields_json.empty()) {
      const Value fields = jinja::from_json(in, m.fields_json);
      check(fields.is(jinja::Kind::kDict), ErrorCode::kFormat, "template",
            "fields_json must be a JSON object");
      for (const auto& e : fields.as<DictObj>().entries) message->set(in, e.key, e.value);
    }
    list.emplace_back(message);
  }
  const auto all = in.make<DictObj>();
  all->set(in, in.str("messages"), in.list(std::move(list)));
  all->set(in, in.str("add_generation_prompt"), Value::boolean(variables.add_generation_prompt));
  all->set(in, in.str("bos_token"), text(variables.bos_token, "the BOS token"));
  all->set(in, in.str("eos_token"), text(variables.eos_token, "the EOS token"));
  if (!variables.extra_json.empty()) {
    const Value extra = jinja::from_json(in, variables.extra_json);
    check(extra.is(jinja::Kind::kDict), ErrorCode::kFormat, "template", "extra_json must be a JSON object");
    for (const auto& e : extra.as<DictObj>().entries) all->set(in, e.key, e.value);
  }
  return in.run(Value(all));
}

std::string_view chatml_template() {
  return "{% for message in messages %}"
         "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
         "{% endfor %}"
         "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
}

}  // namespace uma
