// Filters on text, and the lookup of filters by name.
#include <algorithm>

#include "text/jinja_filters.h"
#include "text/jinja_interp.h"
#include "text/jinja_unicode.h"

namespace uma::jinja {

namespace {

using std::string_view;

bool is_markup(const Value& v) {
  return v.is_string() && v.as<StringObj>().markup;
}

/// soft_str: Markup stays Markup, anything else becomes its text.
Value soft_text(Interp& in, const Value& v) {
  return v.is_string() ? v : in.str(to_str(in, v));
}

Value text_like(Interp& in, const Value& v, std::string text) {
  return is_markup(v) ? in.markup(std::move(text)) : in.str(std::move(text));
}

bool given(const Value& v) {
  return !v.is_missing();
}
bool flag(const Value& v) {
  return given(v) && truthy(v);
}

template <std::string (*Change)(string_view)>
Value changed(Interp& in, Args& a) {
  const Value s = soft_text(in, a[0]);
  in.step_text(s.text().size());
  in.check_room(3 * s.text().size());
  return text_like(in, s, Change(s.text()));
}

/// Jinja's own title case: words begin after - ( { [ < and white space only.
std::string title_words(string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size();) {
    const auto is_break = [&](size_t at) {
      size_t k = at;
      const char32_t c = utf8_next(s, &k);
      return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_space(c);
    };
    const bool breaks = is_break(i);
    size_t end = i;
    while (end < s.size() && is_break(end) == breaks) end += utf8_length(static_cast<unsigned char>(s[end]));
    const size_t head = i + utf8_length(static_cast<unsigned char>(s[i]));
    out += upper(s.substr(i, head - i)) + lower(s.substr(head, end - head));
    i = end;
  }
  return out;
}

Value trim(Interp& in, Args& a) {
  const Value s = soft_text(in, a[0]);
  in.step_text(s.text().size());
  if (!given(a[1]) || a[1].is_none()) return text_like(in, s, std::string(strip(s.text(), true, true)));
  return text_like(in, s, std::string(strip(s.text(), need_text(in, a[1], "strip arg"), true, true)));
}

Value replace(Interp& in, Args& a) {
  const int64_t most = given(a[3]) && !a[3].is_none() ? need_int(in, a[3], "count") : -1;
  return in.str(replace_text(in, to_str(in, a[0]), to_str(in, a[1]), to_str(in, a[2]), most));
}

Value string(Interp& in, Args& a) {
  return soft_text(in, a[0]);
}

Value safe(Interp& in, Args& a) {
  return in.markup(to_str(in, a[0]));
}

Value escape(Interp& in, Args& a) {
  return is_markup(a[0]) ? a[0] : in.markup(escape_html(in, to_str(in, a[0])));
}

Value forceescape(Interp& in, Args& a) {
  return in.markup(escape_html(in, to_str(in, a[0])));
}

Value center(Interp& in, Args& a) {
  Args method;
  method.pos = {given(a[1]) ? a[1] : Value::integer(80)};
  const MethodInfo* m = find_text_method("center");
  bind_args(in, m->name, m->params, method);
  return m->call(in, soft_text(in, a[0]), method);
}

Value format(Interp& in, Args& a) {
  if (a.pos.empty()) in.fail("format() is missing its argument 'value'");
  const Value s = soft_text(in, a[0]);
  if (a.pos.size() > 1 && !a.kw.empty())
    in.fail("can't handle positional and keyword arguments at the same time");
  Value values;
  if (a.kw.empty()) {
    values = in.tuple({a.pos.begin() + 1, a.pos.end()});
  } else {
    const auto dict = in.make<DictObj>();
    for (auto& [k, v] : a.kw) dict->set(in, in.str(k), v);
    values = Value(dict);
  }
  return arithmetic(in, Op::kMod, s, values);
}

Value indent(Interp& in, Args& a) {
  if (a[0].is_undefined()) fail_undefined(in, a[0]);
  const std::string& s = need_text(in, a[0], "the text to indent");
  std::string by(4, ' ');
  if (given(a[1]) && a[1].is_string()) {
    by = a[1].text();
  } else if (given(a[1])) {
    const auto n = static_cast<size_t>(std::max<int64_t>(need_int(in, a[1], "width"), 0));
    in.check_room(n);
    by.assign(n, ' ');
  }
  const std::string closed = s + "\n";
  const auto lines = lines_of(in, closed, false);
  TextBuilder out(in);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i) out.add('\n');
    if (i ? flag(a[3]) || !lines[i].empty() : flag(a[2])) out.add(by);
    out.add(lines[i]);
  }
  return text_like(in, a[0], out.take());
}

Value truncate(Interp& in, Args& a) {
  const int64_t most = given(a[1]) ? need_int(in, a[1], "length") : 255;
  const Value end = given(a[3]) ? a[3] : in.str("...");
  const int64_t end_length = length(in, end);
  const int64_t leeway = given(a[4]) && !a[4].is_none() ? need_int(in, a[4], "leeway") : 5;
  if (most < end_length) in.fail("expected length >= {}, got {}", end_length, most);
  if (leeway < 0) in.fail("expected leeway >= 0, got {}", leeway);
  if (length(in, a[0]) - leeway <= most) return a[0];
  const std::string& s = need_text(in, a[0], "the text to truncate");
  std::string cut = s.substr(0, utf8_offset(s, most - end_length));
  if (!flag(a[2])) cut = cut.substr(0, std::min(cut.rfind(' '), cut.size()));
  return text_like(in, a[0], cut + need_text(in, end, "the end"));
}

Value wordcount(Interp& in, Args& a) {
  const std::string s = to_str(in, a[0]);
  int64_t n = 0;
  bool inside = false;
  for (size_t i = 0; i < s.size();) {
    const char32_t c = utf8_next(s, &i);
    const bool word = c == '_' || is_alnum(c);
    n += word && !inside;
    inside = word;
  }
  return Value::integer(n);
}

Value striptags(Interp& in, Args& a) {
  std::string s = to_str(in, a[0]);
  in.step_text(4 * s.size());
  const auto cut = [&](string_view open, string_view close) {
    std::string out;
    size_t begin = 0;
    for (;;) {
      const size_t at = s.find(open, begin);
      const size_t end = at == s.npos ? at : s.find(close, at);
      if (end == s.npos) break;
      out.append(s, begin, at - begin);
      begin = end + close.size();
    }
    out.append(s, begin);
    s = std::move(out);
  };
  cut("<!--", "-->");
  cut("<", ">");
  std::string out;
  for (size_t i = 0; i < s.size();) {  // runs of white space become one blank
    const size_t at = i;
    const char32_t c = utf8_next(s, &i);
    if (!is_space(c))
      out.append(s, at, i - at);
    else if (!out.empty() && out.back() != ' ')
      out.push_back(' ');
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  for (const auto& [entity, plain] : {std::pair<string_view, string_view>{"&lt;", "<"},
                                      {"&gt;", ">"},
                                      {"&#39;", "'"},
                                      {"&#34;", "\""},
                                      {"&quot;", "\""},
                                      {"&amp;", "&"}})
    out = replace_text(in, out, entity, plain, -1);
  return in.str(std::move(out));
}

std::string url_quote(Interp& in, const Value& v, bool query) {
  const std::string s = to_str(in, v);
  TextBuilder out(in);
  for (const char c : s) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       string_view("_.-~").find(c) != string_view::npos || (c == '/' && !query);
    if (plain)
      out.add(c);
    else if (c == ' ' && query)
      out.add('+');
    else
      out.add(fmt::format("%{:02X}", static_cast<unsigned char>(c)));
  }
  return out.take();
}

Value urlencode(Interp& in, Args& a) {
  const Value& v = a[0];
  const bool pairs =
      v.is(Kind::kDict) || v.is_sequence() || v.is(Kind::kView) || v.is(Kind::kGenerator) || v.is_undefined();
  if (!pairs) return in.str(url_quote(in, v, false));
  TextBuilder out(in);
  const auto add = [&](const Value& key, const Value& value) {
    if (out.size()) out.add('&');
    out.add(url_quote(in, key, true));
    out.add('=');
    out.add(url_quote(in, value, true));
  };
  Iter it(in, v);
  for (Value item; it.next(in, &item);) {
    if (v.is(Kind::kDict)) {
      add(item, *v.as<DictObj>().find(in, item));
      continue;
    }
    const auto pair = to_list(in, item);
    if (pair.size() != 2) in.fail("urlencode needs pairs");
    add(pair[0], pair[1]);
  }
  return in.str(out.take());
}

Value xmlattr(Interp& in, Args& a) {
  if (a[0].is_undefined()) fail_undefined(in, a[0]);
  if (!a[0].is(Kind::kDict)) in.fail("'{}' object has no attribute 'items'", type_name(a[0]));
  TextBuilder out(in);
  for (const auto& e : a[0].as<DictObj>().entries) {
    if (e.value.is_none() || e.value.is_undefined()) continue;
    const std::string& key = need_text(in, e.key, "an attribute name");
    if (key.find_first_of(" \t\n\r\f\v/>=") != key.npos)
      in.fail("Invalid character in attribute name: '{}'", key);
    if (out.size() || !given(a[1]) || truthy(a[1])) out.add(' ');
    out.add(escape_html(in, key) + "=\"");
    out.add(is_markup(e.value) ? e.value.text() : escape_html(in, to_str(in, e.value)));
    out.add('"');
  }
  return in.str(out.take());
}

Value tojson(Interp& in, Args& a) {
  JsonStyle style;
  style.ascii = flag(a[1]);
  style.sort_keys = flag(a[4]);
  if (given(a[2]) && !a[2].is_none()) {
    style.pretty = true;
    style.item_separator = ",";
    if (a[2].is_string()) {
      style.indent = a[2].text();
    } else {
      const auto n = static_cast<size_t>(std::max<int64_t>(need_int(in, a[2], "indent"), 0));
      in.check_room(n);
      style.indent.assign(n, ' ');
    }
  }
  if (given(a[3]) && !a[3].is_none()) {
    const auto pair = to_list(in, a[3]);
    if (pair.size() != 2) in.fail("separators must be two texts");
    style.item_separator = need_text(in, pair[0], "a separator");
    style.key_separator = need_text(in, pair[1], "a separator");
  }
  return in.str(to_json(in, a[0], style));
}

Value unsupported(Interp& in, Args&) {
  in.raise(ErrorCode::kUnsupported, "pprint, random, urlize and wordwrap are for web pages, not for prompts");
}

constexpr FilterInfo kFilters[] = {
    {"capitalize", {"s", 1}, changed<capitalize>},
    {"center", {"value width", 1}, center},
    {"e", {"s", 1, true}, escape},
    {"escape", {"s", 1, true}, escape},
    {"forceescape", {"value", 1}, forceescape},
    {"format", {"*"}, format},
    {"indent", {"s width first blank", 1}, indent},
    {"lower", {"s", 1}, changed<lower>},
    {"pprint", {"*"}, unsupported},
    {"random", {"*"}, unsupported},
    {"replace", {"s old new count", 3}, replace},
    {"safe", {"value", 1}, safe},
    {"string", {"object", 1}, string},
    {"striptags", {"value", 1}, striptags},
    {"title", {"s", 1}, changed<title_words>},
    {"tojson", {"x ensure_ascii indent separators sort_keys", 1}, tojson},
    {"trim", {"value chars", 1}, trim},
    {"truncate", {"s length killwords end leeway", 1}, truncate},
    {"upper", {"s", 1}, changed<upper>},
    {"urlencode", {"value", 1}, urlencode},
    {"urlize", {"*"}, unsupported},
    {"wordcount", {"s", 1}, wordcount},
    {"wordwrap", {"*"}, unsupported},
    {"xmlattr", {"d autospace", 1}, xmlattr},
};

}  // namespace

std::span<const FilterInfo> text_filters() {
  return kFilters;
}

const FilterInfo* find_filter(string_view name) {
  for (const auto table : {text_filters(), sequence_filters(), lazy_filters(), number_filters()})
    for (const auto& f : table)
      if (f.name == name) return &f;
  return nullptr;
}

Value call_filter(Interp& in, const FilterInfo& filter, Args args) {
  bind_args(in, filter.name, filter.params, args);
  return filter.apply(in, args);
}

}  // namespace uma::jinja
