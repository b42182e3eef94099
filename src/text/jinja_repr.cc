#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "text/jinja_interp.h"
#include "text/jinja_ops.h"
#include "text/jinja_unicode.h"

namespace uma::jinja {

std::string float_repr(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
  char buf[40];
  const auto end = std::to_chars(buf, buf + sizeof(buf), d, std::chars_format::scientific).ptr;
  std::string_view s(buf, static_cast<size_t>(end - buf));
  std::string out;
  if (s[0] == '-') {
    out = "-";
    s.remove_prefix(1);
  }
  const size_t e = s.find('e');
  int exponent = 0;
  std::from_chars(s.data() + e + (s[e + 1] == '+' ? 2 : 1), s.data() + s.size(), exponent);
  std::string digits(1, s[0]);
  if (e > 1) digits.append(s.substr(2, e - 2));
  const auto n = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {  // Python's bounds for plain notation
    out += digits[0];
    if (n > 1) out += "." + digits.substr(1);
    return out + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  if (n <= exponent + 1) return out + digits + std::string(static_cast<size_t>(exponent + 1 - n), '0') + ".0";
  const auto whole = static_cast<size_t>(exponent + 1);
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

namespace {

void add_quoted(TextBuilder& out, std::string_view s) {
  const char quote = s.find('\'') != s.npos && s.find('"') == s.npos ? '"' : '\'';
  out.add(quote);
  size_t plain = 0;  // start of the run that needs no change
  for (size_t i = 0; i < s.size();) {
    const size_t at = i;
    const char32_t c = utf8_next(s, &i);
    if (c != static_cast<char32_t>(quote) && c != '\\' && is_printable(c)) continue;
    out.add(s.substr(plain, at - plain));
    plain = i;
    if (c == '\n') {
      out.add("\\n");
    } else if (c == '\r') {
      out.add("\\r");
    } else if (c == '\t') {
      out.add("\\t");
    } else if (c == '\\' || c == static_cast<char32_t>(quote)) {
      out.add('\\');
      out.add(static_cast<char>(c));
    } else {
      const auto code = static_cast<uint32_t>(c);
      out.add(code < 0x100     ? fmt::format("\\x{:02x}", code)
              : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                               : fmt::format("\\U{:08x}", code));
    }
  }
  out.add(s.substr(plain));
  out.add(quote);
}

void add_items(TextBuilder& out, Runtime& rt, const std::vector<Value>& items) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i) out.add(", ");
    add_repr(out, rt, items[i]);
  }
}

void add_dict(TextBuilder& out, Runtime& rt, const DictObj& d) {
  out.add('{');
  for (size_t i = 0; i < d.entries.size(); ++i) {
    if (i) out.add(", ");
    add_repr(out, rt, d.entries[i].key);
    out.add(": ");
    add_repr(out, rt, d.entries[i].value);
  }
  out.add('}');
}

void add_view(TextBuilder& out, Runtime& rt, const ViewObj& view) {
  const auto& entries = view.dict.as<DictObj>().entries;
  out.add(view.view == ViewKind::kKeys     ? "dict_keys(["
          : view.view == ViewKind::kValues ? "dict_values(["
                                           : "dict_items([");
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i) out.add(", ");
    if (view.view == ViewKind::kItems) out.add('(');
    if (view.view != ViewKind::kValues) add_repr(out, rt, entries[i].key);
    if (view.view == ViewKind::kItems) out.add(", ");
    if (view.view != ViewKind::kKeys) add_repr(out, rt, entries[i].value);
    if (view.view == ViewKind::kItems) out.add(')');
  }
  out.add("])");
}

/// Containers, each of which goes one level down.
void add_container(TextBuilder& out, Runtime& rt, const Value& v) {
  Runtime::Deeper deeper(rt);
  switch (v.kind()) {
    case Kind::kList:
      out.add('[');
      add_items(out, rt, v.items());
      out.add(']');
      break;
    case Kind::kTuple:
      out.add('(');
      add_items(out, rt, v.items());
      out.add(v.items().size() == 1 ? ",)" : ")");
      break;
    case Kind::kDict:
      add_dict(out, rt, v.as<DictObj>());
      break;
    case Kind::kView:
      add_view(out, rt, v.as<ViewObj>());
      break;
    case Kind::kNamespace:
      out.add("<Namespace ");
      if (v.as<NamespaceObj>().dict) add_dict(out, rt, *v.as<NamespaceObj>().dict);
      out.add('>');
      break;
    default:
      break;
  }
}

}  // namespace

void add_repr(TextBuilder& out, Runtime& rt, const Value& v) {
  rt.step();
  switch (v.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
      return out.add("Undefined");
    case Kind::kNone:
      return out.add("None");
    case Kind::kBool:
      return out.add(v.as_bool() ? "True" : "False");
    case Kind::kInt:
      return out.add(fmt::format_int(v.as_int()).c_str());
    case Kind::kFloat:
      return out.add(float_repr(v.as_real()));
    case Kind::kBigInt:
      return out.add(v.as<StringObj>().text);
    case Kind::kString:
      if (!v.as<StringObj>().markup) return add_quoted(out, v.text());
      out.add("Markup(");
      add_quoted(out, v.text());
      return out.add(')');
    case Kind::kRange: {
      const auto& r = v.as<RangeObj>();
      return out.add(r.step == 1 ? fmt::format("range({}, {})", r.start, r.stop)
                                 : fmt::format("range({}, {}, {})", r.start, r.stop, r.step));
    }
    case Kind::kMacro:
      return out.add(static_cast<Interp&>(rt).macro_repr(v));
    case Kind::kLoop:
      return out.add(static_cast<Interp&>(rt).loop_repr(v));
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kView:
    case Kind::kNamespace:
      return add_container(out, rt, v);
    default:
      return out.add(fmt::format("<{} object>", type_name(v)));  // Python adds an address
  }
}

void add_str(TextBuilder& out, Runtime& rt, const Value& v) {
  if (v.is_string()) return out.add(v.text());
  if (v.is_undefined()) return;
  add_repr(out, rt, v);
}

std::string to_str(Runtime& rt, const Value& v) {
  TextBuilder out(rt);
  add_str(out, rt, v);
  return out.take();
}

std::string repr(Runtime& rt, const Value& v) {
  TextBuilder out(rt);
  add_repr(out, rt, v);
  return out.take();
}

std::string escape_html(Runtime& rt, std::string_view s) {
  TextBuilder out(rt);
  for (size_t begin = 0; begin <= s.size();) {
    const size_t at = std::min(s.find_first_of("&<>'\"", begin), s.size());
    out.add(s.substr(begin, at - begin));
    if (at == s.size()) break;
    switch (s[at]) {
      case '&':
        out.add("&amp;");
        break;
      case '<':
        out.add("&lt;");
        break;
      case '>':
        out.add("&gt;");
        break;
      case '\'':
        out.add("&#39;");
        break;
      default:
        out.add("&#34;");
        break;
    }
    begin = at + 1;
  }
  return out.take();
}

}  // namespace uma::jinja
