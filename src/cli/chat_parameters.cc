#include "cli/chat_parameters.h"

#include <charconv>
#include <cmath>

#include "base/error.h"
#include "engine/generate.h"

namespace uma::cli {
namespace {

// One that is a number, with the bounds that its flag has.
struct Parameter {
  std::string_view name, alias, help;
  double lo, hi;
  bool whole;
  double (*get)(const RunOptions&);
  void (*set)(RunOptions&, double);
};

template <auto Member>
double get(const RunOptions& o) {
  return static_cast<double>(o.*Member);
}
template <auto Member>
void set(RunOptions& o, double value) {
  o.*Member = static_cast<std::remove_reference_t<decltype(o.*Member)>>(value);
}
template <auto Member>
constexpr Parameter number(std::string_view name, std::string_view alias, std::string_view help, double lo,
                           double hi) {
  using Type = std::remove_reference_t<decltype(std::declval<RunOptions&>().*Member)>;
  return {name, alias, help, lo, hi, std::is_integral_v<Type>, get<Member>, set<Member>};
}

constexpr double kBig = 1e9, kExact = 9007199254740991;  // 2^53 - 1: whole numbers that a double holds
const Parameter kParameters[] = {
    number<&RunOptions::temp>("temp", "temperature", "0: the likeliest token each time", 0, 100),
    number<&RunOptions::top_k>("top_k", "", "draw from the k likeliest tokens; 0: all", 0, kBig),
    number<&RunOptions::top_p>("top_p", "", "draw from the likeliest that sum to p; 1: all", 0, 1),
    number<&RunOptions::min_p>("min_p", "", "leave out those less likely than this share", 0, 1),
    number<&RunOptions::repeat_penalty>("repeat_penalty", "", "divide recent tokens' logits; 1: off", 0.01,
                                        100),
    number<&RunOptions::presence_penalty>("presence_penalty", "", "subtract once from recent ones", -100,
                                          100),
    number<&RunOptions::frequency_penalty>("frequency_penalty", "", "subtract for each occurrence", -100,
                                           100),
    number<&RunOptions::repeat_last_n>("repeat_last_n", "", "tokens that are recent; -1: all", -1, kBig),
    {"seed", "", "of the draws; -1: another each time", -1, kExact, true,
     [](const RunOptions& o) { return o.seed ? static_cast<double>(*o.seed) : -1; },
     [](RunOptions& o, double v) {
       o.seed = v < 0 ? std::nullopt : std::optional(static_cast<uint64_t>(v));
     }},
    number<&RunOptions::max_tokens>("max_tokens", "num_predict", "longest answer; -1: until it ends", -1,
                                    kExact),
    number<&RunOptions::guess>("guess", "", "tokens guessed ahead from repetitions in the text", 0,
                               kMaxGuesses),
    number<&RunOptions::ctx>("ctx", "num_ctx", "tokens of the whole conversation; 0: the default", 0, kExact),
};

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (size_t end = 0;
       (text = text.substr(std::min(text.find_first_not_of(' '), text.size()))), !text.empty();
       text = text.substr(end)) {
    end = std::min(text.find(' '), text.size());
    words.emplace_back(text.substr(0, end));
  }
  return words;
}

}  // namespace

bool set_parameter(RunOptions& options, const RunOptions& initial, std::string_view name,
                   std::string_view value) {
  const auto mark = [&](std::string_view flag) {
    const std::string text(flag);
    if (!value.empty() || initial.given.contains(text)) {
      options.given.insert(text);
    } else {
      options.given.erase(text);
    }
  };
  if (name == "stop") {
    options.stop = value.empty() ? initial.stop : words_of(value);
    mark(name);
    return false;
  }
  for (const Parameter& p : kParameters) {
    if (name != p.name && (p.alias.empty() || name != p.alias)) continue;
    double number = p.get(initial);
    if (!value.empty()) {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      const bool ok = error == std::errc() && end == value.data() + value.size() && number >= p.lo &&
                      number <= p.hi && (!p.whole || number == std::floor(number));
      check(ok, ErrorCode::kInvalidArgument, "chat", "{} takes a {}number from {} to {}, not '{}'", p.name,
            p.whole ? "whole " : "", p.lo, p.hi, value);
    }
    p.set(options, number);
    mark(p.name);
    return p.name == "ctx";
  }
  fail(ErrorCode::kInvalidArgument, "chat", "there is no parameter '{}'; /? parameters lists them", name);
}

std::string parameters_text(const RunOptions& options, std::string_view indent, std::string_view keyword) {
  std::string text;
  for (const Parameter& p : kParameters)
    text += fmt::format("{}{}{:<18} {}\n", indent, keyword, p.name, p.get(options));
  for (const std::string& stop : options.stop)
    text += fmt::format("{}{}{:<18} {}\n", indent, keyword, "stop", stop);
  return text;
}

std::string parameters_help() {
  std::string text =
      "  /set parameter NAME VALUE; without VALUE it goes back to what it was at the start\n\n";
  const auto row = [&](std::string_view names, std::string_view help) {
    text += fmt::format("  {:<24} {}\n", names, help);
  };
  for (const Parameter& p : kParameters)
    row(fmt::format("{}{}{}", p.name, p.alias.empty() ? "" : ", ", p.alias), p.help);
  row("stop", "words, each of which ends an answer before it");
  return text;
}

}  // namespace uma::cli
