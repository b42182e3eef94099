// The text side of uma.core._lm: vocabularies, detokenizers, stop strings, chat templates. Text goes in as
// bytes, since what a person pastes need not be UTF-8, and comes out as str.
#include "base/error.h"
#include "engine/stop.h"
#include "lm.h"
#include "models/vocab.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace uma::python {
namespace {

/// Bytes that are no text show as U+FFFD.
nb::object text_of(std::string_view s) {
  PyObject* text = PyUnicode_DecodeUTF8(s.data(), static_cast<Py_ssize_t>(s.size()), "replace");
  if (!text) throw nb::python_error();
  return nb::steal(text);
}

std::string_view view_of(const nb::bytes& b) {
  return {b.c_str(), b.size()};
}

std::vector<int32_t> encode(const Words& self, const nb::bytes& text, bool special) {
  const std::string_view view = view_of(text);  // the argument keeps the bytes
  nb::gil_scoped_release release;
  return self.vocabulary->tokenizer->encode(view, {.add_special = special, .parse_special = true});
}

nb::list spellings(const Words& self) {
  nb::list out;
  for (int64_t i = 0; i < self.vocabulary->size; ++i)
    out.append(text_of(self.vocabulary->tokenizer->spelling(static_cast<int32_t>(i))));
  return out;
}

/// A detokenizer and the tokenizer that it reads.
struct Speech {
  explicit Speech(const Words& words) : vocabulary(words.vocabulary), detokenizer(*vocabulary->tokenizer) {}
  std::shared_ptr<const Vocabulary> vocabulary;
  Detokenizer detokenizer;
};

nb::object render(const ChatTemplate& self, const std::string& variables) {
  std::string text;
  {
    nb::gil_scoped_release release;
    text = self.render(variables);
  }
  return text_of(text);
}

}  // namespace

void bind_lm_text(Module& m) {
  nb::class_<Words>(m, "Vocabulary")
      .def_prop_ro("size", [](const Words& w) { return w.vocabulary->size; })
      .def_prop_ro("bos", [](const Words& w) { return w.vocabulary->bos; })
      .def_prop_ro("eos", [](const Words& w) { return w.vocabulary->eos; })
      .def_prop_ro("end_of_answer", [](const Words& w) { return w.vocabulary->end_of_answer; })
      .def_prop_ro("chat_template", [](const Words& w) { return text_of(w.vocabulary->chat_template); })
      .def("token_text", [](const Words& w, int32_t id) { return text_of(w.vocabulary->token_text(id)); })
      .def("spelling",
           [](const Words& w, int32_t id) { return text_of(w.vocabulary->tokenizer->spelling(id)); })
      .def("spellings", &spellings)
      .def("encode", &encode, "text"_a, "special"_a)
      .def(
          "decode",
          [](const Words& w, const std::vector<int32_t>& ids, bool special) {
            return text_of(w.vocabulary->tokenizer->decode(ids, special));
          },
          "ids"_a, "special"_a);
  nb::class_<Speech>(m, "Detokenizer")
      .def(nb::init<const Words&>())
      .def("put", [](Speech& s, int32_t id) { return text_of(s.detokenizer.put(id)); })
      .def("flush", [](Speech& s) { return text_of(s.detokenizer.flush()); });
  nb::class_<StopMatcher>(m, "StopMatcher")
      .def(nb::init<std::vector<std::string>>())
      .def("put", [](StopMatcher& s, const std::string& piece) { return text_of(s.put(piece)); })
      .def("flush", [](StopMatcher& s) { return text_of(s.flush()); })
      .def_prop_ro("matched", [](const StopMatcher& s) -> std::optional<std::string> {
        if (!s.matched()) return {};
        return *s.matched();
      });
  nb::class_<ChatTemplate>(m, "ChatTemplate")
      .def(
          "__init__",
          [](ChatTemplate* self, const nb::bytes& source) {
            new (self) ChatTemplate(ChatTemplate::parse(view_of(source)));
          },
          "source"_a)
      .def("render", &render, "variables"_a, "The text for the variables of a JSON object.");
}

}  // namespace uma::python
