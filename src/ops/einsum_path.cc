#include "ops/einsum_path.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <tuple>

#include "base/error.h"

namespace uma::detail {
namespace {

constexpr int kDots = 256;  // labels of "..." start here

bool has(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// Labels of one term; `dims` are the operand's, or those of "..." in the output.
Labels parse_term(std::string_view term, size_t dots) {
  Labels out;
  bool seen_dots = false;
  for (size_t i = 0; i < term.size(); ++i) {
    if (term[i] == '.') {
      check(!seen_dots && term.substr(i, 3) == "...", ErrorCode::kInvalidArgument, "einsum",
            "'{}' is no term of letters and one '...'", term);
      seen_dots = true;
      i += 2;
      for (size_t d = dots; d-- > 0;) out.push_back(kDots + static_cast<int>(d));
      continue;
    }
    check(std::isalpha(static_cast<unsigned char>(term[i])) != 0, ErrorCode::kInvalidArgument, "einsum",
          "'{}' is no letter", term[i]);
    out.push_back(static_cast<unsigned char>(term[i]));
  }
  return out;
}

size_t letters_in(std::string_view term) {
  return static_cast<size_t>(
      std::count_if(term.begin(), term.end(), [](unsigned char c) { return std::isalpha(c) != 0; }));
}

Labels implicit_output(const std::vector<Labels>& inputs) {
  std::map<int, int> times;
  for (const Labels& labels : inputs)
    for (const int label : labels) ++times[label];
  Labels out;
  for (auto it = times.rbegin(); it != times.rend() && it->first >= kDots; ++it) out.push_back(it->first);
  for (const auto& [label, n] : times)
    if (label < kDots && n == 1) out.push_back(label);
  return out;
}

double volume(const Labels& labels, const std::map<int, int64_t>& extents) {
  double out = 1;
  for (const int label : labels) out *= static_cast<double>(extents.at(label));
  return out;
}

Labels joined(const std::vector<const Labels*>& inputs) {
  Labels all;
  for (const Labels* labels : inputs)
    for (const int label : *labels)
      if (!has(all, label)) all.push_back(label);
  return all;
}

// A multiplication an operand but one, and an addition where something is summed.
double flops_of(const std::vector<const Labels*>& inputs, const Labels& out,
                const std::map<int, int64_t>& extents) {
  const Labels all = joined(inputs);
  const double ops =
      std::max(1.0, static_cast<double>(inputs.size()) - 1) + (out.size() < all.size() ? 1 : 0);
  return volume(all, extents) * ops;
}

std::vector<const Labels*> pointers(const std::vector<Labels>& all, const std::vector<int>& without) {
  std::vector<const Labels*> out;
  for (size_t i = 0; i < all.size(); ++i)
    if (std::find(without.begin(), without.end(), static_cast<int>(i)) == without.end())
      out.push_back(&all[i]);
  return out;
}

std::vector<const Labels*> chosen(const std::vector<Labels>& all, const std::vector<int>& which) {
  std::vector<const Labels*> out;
  for (const int i : which) out.push_back(&all[static_cast<size_t>(i)]);
  return out;
}

void contract(std::vector<Labels>& all, const std::vector<int>& which, const Labels& output) {
  Labels result = kept_labels(chosen(all, which), pointers(all, which), output);
  for (size_t i = which.size(); i-- > 0;) all.erase(all.begin() + which[i]);
  all.push_back(std::move(result));
}

}  // namespace

Labels kept_labels(const std::vector<const Labels*>& inputs, const std::vector<const Labels*>& others,
                   const Labels& output) {
  Labels out;
  for (const int label : joined(inputs)) {
    const bool needed = has(output, label) || std::any_of(others.begin(), others.end(),
                                                          [&](const Labels* o) { return has(*o, label); });
    if (needed) out.push_back(label);
  }
  return out;
}

Equation parse_einsum(std::string_view subscripts, const std::vector<Shape>& shapes) {
  Equation eq;
  std::copy_if(subscripts.begin(), subscripts.end(), std::back_inserter(eq.text),
               [](char c) { return c != ' '; });
  const size_t arrow = eq.text.find("->");
  const std::string_view left = std::string_view(eq.text).substr(0, arrow);
  std::vector<std::string_view> terms;
  for (size_t at = 0;;) {
    const size_t comma = left.find(',', at);
    terms.push_back(left.substr(at, comma - at));
    if (comma == std::string_view::npos) break;
    at = comma + 1;
  }
  check(terms.size() == shapes.size(), ErrorCode::kInvalidArgument, "einsum",
        "'{}' names {} operands, got {}", eq.text, terms.size(), shapes.size());
  size_t most_dots = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    const size_t letters = letters_in(terms[i]), dims = shapes[i].size();
    const bool dots = terms[i].find('.') != std::string_view::npos;
    eq.inputs.push_back(parse_term(terms[i], dots && dims >= letters ? dims - letters : 0));
    check(eq.inputs.back().size() == dims, ErrorCode::kInvalidArgument, "einsum",
          "'{}' does not name the axes of operand {} of shape {}", terms[i], i, shapes[i]);
    if (dots) most_dots = std::max(most_dots, dims - letters);
    for (size_t d = 0; d < dims; ++d) {
      int64_t& extent = eq.extents.try_emplace(eq.inputs[i][d], 1).first->second;
      check(extent == 1 || shapes[i][d] == 1 || extent == shapes[i][d], ErrorCode::kShape, "einsum",
            "axis {} of operand {} of shape {} meets an extent of {}", d, i, shapes[i], extent);
      if (extent == 1) extent = shapes[i][d];
    }
  }
  eq.output = arrow == std::string::npos ? implicit_output(eq.inputs)
                                         : parse_term(std::string_view(eq.text).substr(arrow + 2), most_dots);
  for (const int label : eq.output) {
    check(std::count(eq.output.begin(), eq.output.end(), label) == 1, ErrorCode::kInvalidArgument, "einsum",
          "'{}' repeats a letter in its result", eq.text);
    check(eq.extents.count(label) == 1, ErrorCode::kInvalidArgument, "einsum",
          "'{}' has a letter in its result that no operand has", eq.text);
  }
  return eq;
}

std::vector<EinsumStep> plan_einsum(const Equation& eq) {
  std::vector<Labels> all = eq.inputs;
  std::vector<EinsumStep> plan;
  if (all.size() == 1) return {{{0}}};
  while (all.size() > 1) {
    std::vector<int> best;
    std::pair<double, double> best_score{std::numeric_limits<double>::infinity(), 0};
    for (int i = 0; i < static_cast<int>(all.size()); ++i) {
      for (int j = i + 1; j < static_cast<int>(all.size()); ++j) {
        const std::vector<int> which{i, j};
        const auto inputs = chosen(all, which);
        const Labels out = kept_labels(inputs, pointers(all, which), eq.output);
        const double freed =
            volume(*inputs[0], eq.extents) + volume(*inputs[1], eq.extents) - volume(out, eq.extents);
        // An outer product frees nothing and can wait for what makes it a contraction.
        const bool meets = joined(inputs).size() < inputs[0]->size() + inputs[1]->size();
        const std::pair score{meets ? -freed : std::numeric_limits<double>::max(),
                              flops_of(inputs, out, eq.extents)};
        if (best.empty() || score < best_score) best = which, best_score = score;
      }
    }
    contract(all, best, eq.output);
    plan.push_back({std::move(best)});
  }
  return plan;
}

EinsumCost cost_of(const Equation& eq, const std::vector<EinsumStep>& plan) {
  std::vector<Labels> all = eq.inputs;
  const auto every = pointers(all, {});
  EinsumCost cost{static_cast<int>(joined(every).size()), 0, flops_of(every, eq.output, eq.extents), 0};
  for (const EinsumStep& step : plan) {
    const auto inputs = chosen(all, step.operands);
    const Labels out = kept_labels(inputs, pointers(all, step.operands), eq.output);
    cost.scaling = std::max(cost.scaling, static_cast<int>(joined(inputs).size()));
    cost.flops += flops_of(inputs, out, eq.extents);
    contract(all, step.operands, eq.output);
  }
  return cost;
}

}  // namespace uma::detail
