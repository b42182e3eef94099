// "..." % args and "...".format(args).
#include <fmt/format.h>

#include <cmath>

#include "text/jinja_format.h"
#include "text/jinja_interp.h"
#include "text/jinja_ops.h"
#include "text/jinja_unicode.h"

namespace uma::jinja {

namespace {

/// Walks one % format string.
class Percent {
 public:
  Percent(Interp& in, std::string_view format, const Value& args, bool escape)
      : in_(in), s_(format), args_(args), escape_(escape), out_(in) {}

  std::string run() {
    for (size_t i = 0; i < s_.size();) {
      const size_t at = std::min(s_.find('%', i), s_.size());
      out_.add(s_.substr(i, at - i));
      if (at == s_.size()) break;
      i = directive(at + 1);
    }
    // To Python a list counts as a mapping here, of which nothing need be used.
    const bool mapping =
        args_.is(Kind::kDict) || args_.is(Kind::kList) || args_.is(Kind::kRange) || args_.is_undefined();
    const bool all = args_.is(Kind::kTuple) ? used_ >= args_.items().size() : used_ > 0 || mapping;
    if (!all) in_.fail("not all arguments converted during string formatting");
    return out_.take();
  }

 private:
  const Value& next() {
    if (named_) return named_value_;
    if (args_.is(Kind::kTuple)) {
      if (used_ >= args_.items().size()) in_.fail("not enough arguments for format string");
      return args_.items()[used_++];
    }
    if (used_++ > 0) in_.fail("not enough arguments for format string");
    return args_;
  }

  char at(size_t i) const { return i < s_.size() ? s_[i] : '\0'; }

  size_t name(size_t i) {
    named_ = false;
    if (at(i) != '(') return i;
    size_t depth = 1, end = i + 1;
    for (; end < s_.size(); ++end) {
      if (s_[end] == '(') ++depth;
      if (s_[end] == ')' && --depth == 0) break;
    }
    if (end >= s_.size()) in_.fail("incomplete format key");
    if (!args_.is(Kind::kDict)) in_.fail("format requires a mapping");
    const std::string_view key = s_.substr(i + 1, end - i - 1);
    const Value* v = args_.as<DictObj>().find(key);
    if (!v) in_.fail("the format has the key '{}', the mapping has not", key.substr(0, 80));
    named_value_ = *v;
    named_ = true;
    return end + 1;
  }

  size_t count(size_t i, int64_t* n) {
    if (at(i) == '*') {
      const Value& v = next();
      if (!v.is_int()) in_.fail("* wants int");
      *n = v.as_int();
      return i + 1;
    }
    for (; at(i) >= '0' && at(i) <= '9'; ++i) *n = std::min<int64_t>(*n * 10 + (at(i) - '0'), INT32_MAX);
    return i;
  }

  size_t directive(size_t i) {
    FormatSpec f;
    i = name(i);
    bool zero = false, left = false;
    for (;; ++i) {
      if (at(i) == '-')
        left = true;
      else if (at(i) == '+')
        f.sign = '+';
      else if (at(i) == ' ')
        f.sign = f.sign == '+' ? '+' : ' ';
      else if (at(i) == '#')
        f.alternate = true;
      else if (at(i) == '0')
        zero = true;
      else
        break;
    }
    i = count(i, &f.width);
    if (f.width < 0) {
      left = true;
      f.width = -std::max<int64_t>(f.width, -INT32_MAX);
    }
    if (at(i) == '.') {
      f.precision = 0;
      i = count(i + 1, &f.precision);
      f.precision = std::max<int64_t>(f.precision, 0);
    }
    if (at(i) == 'h' || at(i) == 'l' || at(i) == 'L') ++i;
    if (i >= s_.size()) in_.fail("incomplete format");
    f.align = left ? '<' : zero ? '=' : '>';
    if (zero && !left) f.fill = "0";
    f.type = s_[i];
    convert(f, zero);
    return i + 1;
  }

  void convert(FormatSpec f, bool zero) {
    switch (f.type) {
      case '%':
        return out_.add('%');
      case 's':
      case 'r':
      case 'a':
        return text(f, zero);
      case 'c':
        return character(f, zero);
      case 'd':
      case 'i':
      case 'u':
      case 'o':
      case 'x':
      case 'X':
        return integer(f);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G': {
        const Value& v = next();
        if (v.is_undefined()) fail_undefined(in_, v);
        if (!v.is_number()) in_.fail("must be real number, not {}", type_name(v));
        return out_.add(format_real(in_, f, v.as_real()));
      }
      default:
        in_.fail("unsupported format character '{}'", f.type);
    }
  }

  void text(FormatSpec f, bool zero) {
    if (zero) f.fill = " ";  // texts are never padded with zeros
    if (f.align == '=') f.align = '>';
    const Value& v = next();
    std::string s = f.type == 's' ? to_str(in_, v) : repr(in_, v);
    if (escape_ && !(f.type == 's' && v.is_string() && v.as<StringObj>().markup)) s = escape_html(in_, s);
    out_.add(format_text(in_, f, s));
  }

  void character(FormatSpec f, bool zero) {
    if (zero) f.fill = " ";
    if (f.align == '=') f.align = '>';
    const Value& v = next();
    if (v.is_string() && length(in_, v) == 1) return out_.add(format_text(in_, f, v.text()));
    if (!v.is(Kind::kInt)) in_.fail("%c requires int or char");
    out_.add(format_integer(in_, f, fmt::to_string(v.as_int()), v.as_int()));
  }

  void integer(FormatSpec f) {
    const Value& v = next();
    if (v.is_undefined()) fail_undefined(in_, v);
    const bool decimal = f.type == 'd' || f.type == 'i' || f.type == 'u';
    std::string digits;
    int64_t value = 0;
    if (v.is_int()) {
      value = v.as_int();
      digits = fmt::to_string(value);
    } else if (v.is(Kind::kBigInt)) {
      digits = v.as<StringObj>().text;
    } else if (v.is(Kind::kFloat) && decimal) {
      if (!(std::fabs(v.as_real()) < 9.2e18))
        in_.raise(ErrorCode::kLimit, "a float that is no 64-bit integer in %d");
      value = static_cast<int64_t>(v.as_real());
      digits = fmt::to_string(value);
    } else {
      in_.fail("%{} format: a real number is required, not {}", f.type, type_name(v));
    }
    if (decimal) f.type = 'd';
    if (f.precision > 0) {  // the least number of digits
      const bool minus = digits[0] == '-';
      in_.check_room(static_cast<size_t>(f.precision));
      if (f.precision > 4096) in_.raise(ErrorCode::kLimit, "a precision of more than 4096 digits");
      if (decimal)
        while (static_cast<int64_t>(digits.size() - minus) < f.precision) digits.insert(minus, 1, '0');
    }
    out_.add(format_integer(in_, f, digits, value));
  }

  Interp& in_;
  std::string_view s_;
  const Value args_;
  bool escape_;
  TextBuilder out_;
  size_t used_ = 0;
  bool named_ = false;
  Value named_value_;
};

/// Walks one {} format string.
class Brace {
 public:
  Brace(Interp& in, const Args& args, bool escape) : in_(in), args_(args), escape_(escape) {}

  std::string run(std::string_view s, int depth) {
    if (depth > 3) in_.fail("Max string recursion exceeded");
    TextBuilder out(in_);
    for (size_t i = 0; i < s.size();) {
      const size_t at = std::min(s.find_first_of("{}", i), s.size());
      out.add(s.substr(i, at - i));
      if (at == s.size()) break;
      if (at + 1 < s.size() && s[at + 1] == s[at]) {
        out.add(s[at]);
        i = at + 2;
        continue;
      }
      if (s[at] == '}') in_.fail("Single '}}' encountered in format string");
      i = field(s, at + 1, depth, out);
    }
    return out.take();
  }

 private:
  size_t field(std::string_view s, size_t begin, int depth, TextBuilder& out) {
    size_t level = 1, end = begin, name_end = std::string_view::npos;
    bool bracket = false;
    for (; end < s.size(); ++end) {
      const char c = s[end];
      if (name_end == s.npos) {  // inside [...] everything belongs to the key
        bracket = bracket ? c != ']' : c == '[';
        if (!bracket && (c == ':' || c == '!')) name_end = end;
      }
      if (c == '{') ++level;
      if (c == '}' && --level == 0) break;
    }
    if (end >= s.size()) in_.fail("expected '}}' before end of string");
    name_end = std::min(name_end, end);
    Value v = lookup(s.substr(begin, name_end - begin));
    std::string_view rest = s.substr(name_end, end - name_end);
    if (!rest.empty() && rest[0] == '!') {
      if (rest.size() < 2 || (rest.size() > 2 && rest[2] != ':'))
        in_.fail("expected ':' after conversion specifier");
      if (rest[1] != 's' && rest[1] != 'r' && rest[1] != 'a')
        in_.fail("Unknown conversion specifier '{}'", rest.substr(1, 1));
      v = in_.str(rest[1] == 's' ? to_str(in_, v) : repr(in_, v));
      rest.remove_prefix(2);
    }
    if (!rest.empty()) rest.remove_prefix(1);
    const std::string spec = run(rest, depth + 1);
    const bool markup = v.is_string() && v.as<StringObj>().markup;
    std::string formatted = format_value(in_, v, spec);
    out.add(escape_ && !markup ? escape_html(in_, formatted) : formatted);
    return end + 1;
  }

  Value first(std::string_view name) {
    const bool number = !name.empty() && name.find_first_not_of("0123456789") == name.npos;
    if (name.empty() || number) {
      if (numbered_ && manual_ == name.empty())
        in_.fail("cannot switch between manual and automatic field numbering");
      manual_ = number;
      numbered_ = true;
      size_t i = next_;
      if (number)
        i = name.size() > 9 ? SIZE_MAX : static_cast<size_t>(std::stoul(std::string(name)));
      else
        ++next_;
      if (i >= args_.pos.size()) in_.fail("Replacement index {} out of range for positional args tuple", i);
      return args_.pos[i];
    }
    for (const auto& [k, v] : args_.kw)
      if (k == name) return v;
    in_.fail("the format names '{}', which is not given", name.substr(0, 80));
  }

  Value lookup(std::string_view path) {
    const size_t first_end = std::min(path.find_first_of(".["), path.size());
    Value v = first(path.substr(0, first_end));
    path.remove_prefix(first_end);
    while (!path.empty()) {
      in_.step();
      if (path[0] == '.') {
        const size_t end = std::min(path.find_first_of(".[", 1), path.size());
        if (end == 1) in_.fail("Empty attribute in format string");
        v = get_attr(in_, v, path.substr(1, end - 1));
        path.remove_prefix(end);
        continue;
      }
      const size_t end = path.find(']');
      if (path[0] != '[' || end == path.npos) in_.fail("Missing ']' in format string");
      const std::string_view key = path.substr(1, end - 1);
      if (key.empty()) in_.fail("Empty attribute in format string");
      const bool number = key.find_first_not_of("0123456789") == key.npos && key.size() < 18;
      v = get_item(in_, v, number ? Value::integer(std::stoll(std::string(key))) : in_.str(key));
      path.remove_prefix(end + 1);
    }
    return v;
  }

  Interp& in_;
  const Args& args_;
  bool escape_;
  size_t next_ = 0;
  bool manual_ = false, numbered_ = false;
};

}  // namespace

std::string percent_format(Interp& in, const std::string& format, const Value& args, bool escape) {
  return Percent(in, format, args, escape).run();
}

std::string brace_format(Interp& in, const std::string& format, const Args& args, bool escape) {
  return Brace(in, args, escape).run(format, 1);
}

}  // namespace uma::jinja
