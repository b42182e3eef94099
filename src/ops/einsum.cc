#include "ops/einsum.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/einsum_path.h"
#include "ops/elementwise.h"
#include "ops/manipulate.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace uma {
namespace {

using detail::Equation;
using detail::Labels;

/// An operand whose labels are distinct.
struct Term {
  array x;
  Labels labels;
};

int index_of(const Labels& labels, int label) {
  const auto it = std::find(labels.begin(), labels.end(), label);
  return it == labels.end() ? -1 : static_cast<int>(it - labels.begin());
}

// A letter that comes twice in one operand is its diagonal.
Term without_repeats(Term t) {
  for (size_t i = 0; i < t.labels.size(); ++i) {
    for (size_t j = i + 1; j < t.labels.size(); ++j) {
      if (t.labels[i] != t.labels[j]) continue;
      const int label = t.labels[i];
      check(t.x.shape()[i] == t.x.shape()[j], ErrorCode::kShape, "einsum",
            "axes {} and {} of shape {} have one letter and differ", i, j, t.x.shape());
      t.x = diagonal(t.x, 0, static_cast<int>(i), static_cast<int>(j));
      t.labels.erase(t.labels.begin() + static_cast<std::ptrdiff_t>(j));
      t.labels.erase(t.labels.begin() + static_cast<std::ptrdiff_t>(i));
      t.labels.push_back(label);
      return without_repeats(std::move(t));
    }
  }
  return t;
}

// Sums over the labels that nobody needs.
Term summed(Term t, const Labels& needed) {
  Axes axes;
  Labels left;
  for (size_t i = 0; i < t.labels.size(); ++i) {
    if (index_of(needed, t.labels[i]) < 0)
      axes.push_back(static_cast<int>(i));
    else
      left.push_back(t.labels[i]);
  }
  if (axes.empty()) return t;
  return {sum(t.x, axes), left};
}

// The axes of t in the order of groups of labels; each group is one axis of the result. A label that t has
// not, or has with extent one, takes `extents` where `full` says so and one otherwise.
array arranged(const Term& t, const std::vector<Labels>& groups, const std::map<int, int64_t>* extents) {
  std::vector<int> order;
  Shape broadcast, merged;
  for (const Labels& group : groups) {
    int64_t size = 1;
    for (const int label : group) {
      const int axis = index_of(t.labels, label);
      const int64_t own = axis < 0 ? 1 : t.x.shape(axis);
      const int64_t extent = extents ? extents->at(label) : own;
      if (axis >= 0) order.push_back(axis);
      broadcast.push_back(extent);
      size *= extent;
    }
    merged.push_back(size);
  }
  const array x = order.empty() ? t.x : transpose(t.x, order);
  Shape padded;
  size_t at = 0;
  for (const Labels& group : groups)
    for (const int label : group) padded.push_back(index_of(t.labels, label) < 0 ? 1 : x.shape()[at++]);
  return reshape(broadcast_to(reshape(x, padded), broadcast), merged);
}

std::vector<Labels> singles(const Labels& labels) {
  std::vector<Labels> out;
  for (const int label : labels) out.push_back({label});
  return out;
}

// Product of two terms with the labels `kept`.
Term contracted(const Term& a, const Term& b, const Labels& kept, const std::map<int, int64_t>& extents) {
  Labels batch, rows, columns, inner;
  for (const int label : a.labels) {
    const bool in_b = index_of(b.labels, label) >= 0, stays = index_of(kept, label) >= 0;
    (in_b ? (stays ? batch : inner) : rows).push_back(label);
  }
  for (const int label : b.labels)
    if (index_of(a.labels, label) < 0) columns.push_back(label);
  Labels out = batch;
  out.insert(out.end(), rows.begin(), rows.end());
  out.insert(out.end(), columns.begin(), columns.end());
  if (inner.empty()) return {arranged(a, singles(out), nullptr) * arranged(b, singles(out), nullptr), out};
  auto left = singles(batch), right = singles(batch);
  left.push_back(rows), left.push_back(inner);
  right.push_back(inner), right.push_back(columns);
  const array product = matmul(arranged(a, left, &extents), arranged(b, right, &extents));
  Shape shape;
  for (const int label : out) shape.push_back(extents.at(label));
  return {reshape(product, shape), out};
}

std::vector<Shape> shapes_of(const std::vector<array>& arrays) {
  std::vector<Shape> out;
  for (const array& a : arrays) out.push_back(a.shape());
  return out;
}

// What everyone but the operands of a step still needs.
Labels needed_beside(const std::vector<Term>& terms, const std::vector<int>& which, const Labels& output) {
  Labels out = output;
  for (size_t i = 0; i < terms.size(); ++i)
    if (!std::count(which.begin(), which.end(), static_cast<int>(i)))
      out.insert(out.end(), terms[i].labels.begin(), terms[i].labels.end());
  return out;
}

}  // namespace

array einsum(std::string_view subscripts, const std::vector<array>& operands) {
  const Equation eq = detail::parse_einsum(subscripts, shapes_of(operands));
  std::vector<Term> terms;
  for (size_t i = 0; i < operands.size(); ++i) terms.push_back(without_repeats({operands[i], eq.inputs[i]}));
  for (const auto& step : detail::plan_einsum(eq)) {
    const auto& which = step.operands;
    const Labels needed = needed_beside(terms, which, eq.output);
    if (which.size() == 1) {
      terms[0] = summed(terms[0], needed);
      continue;
    }
    Term &a = terms[static_cast<size_t>(which[0])], &b = terms[static_cast<size_t>(which[1])];
    // A label of one operand alone is summed before they meet.
    const auto with = [&](const Labels& labels) {
      Labels all = needed;
      all.insert(all.end(), labels.begin(), labels.end());
      return all;
    };
    const Labels of_a = a.labels;
    a = summed(std::move(a), with(b.labels));
    b = summed(std::move(b), with(of_a));
    Term result = contracted(a, b, needed, eq.extents);
    terms.erase(terms.begin() + which[1]);
    terms.erase(terms.begin() + which[0]);
    terms.push_back(std::move(result));
  }
  // Where every operand had extent one for a letter of the result, so has the result.
  return arranged(terms[0], singles(eq.output), &eq.extents);
}

std::pair<std::vector<std::vector<int>>, std::string> einsum_path(std::string_view subscripts,
                                                                  const std::vector<array>& operands) {
  const Equation eq = detail::parse_einsum(subscripts, shapes_of(operands));
  const auto plan = detail::plan_einsum(eq);
  const auto cost = detail::cost_of(eq, plan);
  std::vector<std::vector<int>> path;
  for (const auto& step : plan) path.push_back(step.operands);
  return {path, fmt::format("  Complete contraction:  {}\n"
                            "         Naive scaling:  {}\n"
                            "     Optimized scaling:  {}\n"
                            "      Naive FLOP count:  {:.0f}\n"
                            "  Optimized FLOP count:  {:.0f}\n",
                            eq.text, cost.naive_scaling, cost.scaling, cost.naive_flops, cost.flops)};
}

}  // namespace uma
