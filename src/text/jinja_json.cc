// JSON in (nlohmann's parser, by events) and out (as Python's json.dumps writes it).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "text/jinja_interp.h"
#include "text/jinja_ops.h"
#include "text/jinja_unicode.h"

namespace uma::jinja {

namespace {

/// Builds values from parser events. The parser does not recurse, so depth costs no stack here.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(Runtime& rt) : rt_(rt) {}
  bool null() override { return put(Value::none()); }
  bool boolean(bool b) override { return put(Value::boolean(b)); }
  bool number_integer(number_integer_t i) override { return put(Value::integer(i)); }
  bool number_unsigned(number_unsigned_t u) override {
    if (u <= INT64_MAX) return put(Value::integer(static_cast<int64_t>(u)));
    return put(Value(rt_.make<StringObj>(fmt::to_string(u), Kind::kBigInt)));
  }
  bool number_float(number_float_t d, const string_t& text) override {
    // An integer too long for 64 bits comes as a float with its text.
    if (text.find_first_of(".eE") == text.npos && !text.empty())
      return put(Value(rt_.make<StringObj>(text, Kind::kBigInt)));
    return put(Value::real(d));
  }
  bool string(string_t& s) override { return put(rt_.str(std::move(s))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return open(Value(rt_.make<DictObj>())); }
  bool start_array(size_t) override {
    rt_.check_room(sizeof(std::vector<Value>));
    return open(rt_.list({}));
  }
  bool key(string_t& s) override {
    open_.back().key = rt_.str(std::move(s));
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(size_t at, const std::string&, const nlohmann::detail::exception& e) override {
    std::string_view what = e.what();
    const size_t text = what.find("] ");
    if (text != what.npos) what.remove_prefix(text + 2);
    uma::fail(ErrorCode::kFormat, "template", "the variables are no JSON: at byte {}: {}", at,
              what.substr(0, 300));
  }
  Value take() { return std::move(root_); }

 private:
  struct Level {
    Value value, key;
  };

  bool put(Value v) {
    rt_.step();
    if (open_.empty()) {
      root_ = std::move(v);
      return true;
    }
    Level& top = open_.back();
    if (top.value.is(Kind::kDict)) {
      top.value.as<DictObj>().set(rt_, top.key, std::move(v));
    } else {
      auto& list = top.value.as<SeqObj>();
      list.grow(sizeof(Value) * 2);
      list.items.push_back(std::move(v));
    }
    return true;
  }
  bool open(Value v) {
    if (open_.size() >= rt_.limits().max_depth)
      uma::fail(ErrorCode::kLimit, "template", "the variables are nested deeper than {} levels",
                rt_.limits().max_depth);
    open_.push_back({std::move(v), Value()});
    return true;
  }
  bool close() {
    Value v = std::move(open_.back().value);
    open_.pop_back();
    return put(std::move(v));
  }

  Runtime& rt_;
  std::vector<Level> open_;
  Value root_;
};

/// Writes one value.
class Writer {
 public:
  Writer(Runtime& rt, const JsonStyle& style) : rt_(rt), style_(style), out_(rt) {}
  std::string take() { return out_.take(); }

  void value(const Value& v, size_t depth) {
    rt_.step();
    switch (v.kind()) {
      case Kind::kNone:
        return out_.add("null");
      case Kind::kBool:
        return out_.add(v.as_bool() ? "true" : "false");
      case Kind::kInt:
        return out_.add(fmt::format_int(v.as_int()).c_str());
      case Kind::kBigInt:
        return out_.add(v.as<StringObj>().text);
      case Kind::kFloat:
        return out_.add(real(v.as_real()));
      case Kind::kString:
        return quoted(v.text());
      case Kind::kList:
      case Kind::kTuple:
        return list(v.items(), depth);
      case Kind::kDict:
        return dict(v.as<DictObj>(), depth);
      default:
        rt_.fail("Object of type {} is not JSON serializable", type_name(v));
    }
  }

 private:
  static std::string real(double d) {
    if (std::isnan(d)) return "NaN";
    if (std::isinf(d)) return d < 0 ? "-Infinity" : "Infinity";
    return float_repr(d);
  }

  void unicode_escape(uint32_t unit) { out_.add(fmt::format("\\u{:04x}", unit)); }

  void quoted(std::string_view s) {
    out_.add('"');
    size_t plain = 0;
    for (size_t i = 0; i < s.size();) {
      const size_t at = i;
      const char32_t c = utf8_next(s, &i);
      if (c >= 0x20 && c != '"' && c != '\\' && (c < 0x7f || !style_.ascii || c == 0x7f)) continue;
      out_.add(s.substr(plain, at - plain));
      plain = i;
      switch (c) {
        case '"':
          out_.add("\\\"");
          break;
        case '\\':
          out_.add("\\\\");
          break;
        case '\n':
          out_.add("\\n");
          break;
        case '\r':
          out_.add("\\r");
          break;
        case '\t':
          out_.add("\\t");
          break;
        case '\f':
          out_.add("\\f");
          break;
        case '\b':
          out_.add("\\b");
          break;
        default:
          if (c >= 0x10000) {
            unicode_escape(0xd800 + ((static_cast<uint32_t>(c) - 0x10000) >> 10));
            unicode_escape(0xdc00 + ((static_cast<uint32_t>(c) - 0x10000) & 0x3ff));
          } else {
            unicode_escape(static_cast<uint32_t>(c));
          }
      }
    }
    out_.add(s.substr(plain));
    out_.add('"');
  }

  void separator(bool first, size_t depth) {
    if (!first) out_.add(style_.item_separator);
    if (style_.pretty) newline(depth);
  }
  void newline(size_t depth) {
    out_.add('\n');
    out_.fill(depth, style_.indent);
  }

  void list(const std::vector<Value>& items, size_t depth) {
    if (items.empty()) return out_.add("[]");
    Runtime::Deeper deeper(rt_);
    out_.add('[');
    for (size_t i = 0; i < items.size(); ++i) {
      separator(i == 0, depth + 1);
      value(items[i], depth + 1);
    }
    if (style_.pretty) newline(depth);
    out_.add(']');
  }

  std::string key_text(const Value& k) {
    switch (k.kind()) {
      case Kind::kString:
        return k.text();
      case Kind::kNone:
        return "null";
      case Kind::kBool:
        return k.as_bool() ? "true" : "false";
      case Kind::kFloat:
        return real(k.as_real());
      case Kind::kInt:
      case Kind::kBigInt:
        return to_str(rt_, k);
      default:
        rt_.fail("keys must be str, int, float, bool or None, not {}", type_name(k));
    }
  }

  void dict(const DictObj& d, size_t depth) {
    if (d.entries.empty()) return out_.add("{}");
    Runtime::Deeper deeper(rt_);
    std::vector<Value> keys, order;
    if (style_.sort_keys) {
      for (size_t i = 0; i < d.entries.size(); ++i) {
        keys.push_back(d.entries[i].key);
        order.push_back(Value::integer(static_cast<int64_t>(i)));
      }
      sort_by(rt_, order, keys, false);
    }
    out_.add('{');
    for (size_t i = 0; i < d.entries.size(); ++i) {
      const auto& e = d.entries[style_.sort_keys ? static_cast<size_t>(order[i].as_int()) : i];
      separator(i == 0, depth + 1);
      quoted(key_text(e.key));
      out_.add(style_.key_separator);
      value(e.value, depth + 1);
    }
    if (style_.pretty) newline(depth);
    out_.add('}');
  }

  Runtime& rt_;
  const JsonStyle& style_;
  TextBuilder out_;
};

}  // namespace

std::string to_json(Runtime& rt, const Value& v, const JsonStyle& style) {
  Writer writer(rt, style);
  writer.value(v, 0);
  return writer.take();
}

Value from_json(Runtime& rt, std::string_view json) {
  const size_t fault = utf8_fault(json);
  if (fault != json.npos)
    uma::fail(ErrorCode::kFormat, "template", "the variables are no JSON: byte {} is not UTF-8", fault);
  rt.check_room(json.size());
  Builder builder(rt);
  nlohmann::json::sax_parse(json.begin(), json.end(), &builder);
  return builder.take();
}

}  // namespace uma::jinja
