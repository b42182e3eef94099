#pragma once
// Inside graph/ only: what a row of the table of rules holds, and how it is written down.
#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graph/params.h"
#include "graph/rules.h"

namespace uma::rules {

using Arrays = std::vector<array>;
using Inputs = std::span<const array>;
using Rule = Arrays (*)(const Node&, Inputs, const Rebuilding&);

inline constexpr size_t kAnyNumber = std::numeric_limits<size_t>::max();

struct Row {
  Rule rule;
  void (*visit)(const Node&, params::Sink&) = nullptr;  // none: not for files
  std::shared_ptr<Node> (*read)(const OpInfo&, std::string_view) = nullptr;
  bool spreads = false;        // knows what to do with inputs that were repeated
  size_t least = 0, most = 0;  // inputs; 0 and 0: as many as OpInfo::args names

  Row takes(size_t fewest, size_t greatest) const {
    Row out = *this;
    out.least = fewest;
    out.most = greatest;
    return out;
  }
};
using Table = std::unordered_map<const OpInfo*, Row>;

template <class P, auto... kMembers>
Row row(Rule rule, bool spreads = false) {
  return {rule, [](const Node& node, params::Sink& out) { (out.put(node.params<P>().*kMembers), ...); },
          [](const OpInfo& op, std::string_view bytes) -> std::shared_ptr<Node> {
            P value{};
            params::Reader in(bytes, op.name);
            (in.get(value.*kMembers), ...);
            in.end();
            return std::make_shared<NodeWith<P>>(op, default_stream(), Arrays{}, std::move(value));
          },
          spreads};
}
inline Row plain(Rule rule, bool spreads = false) {
  return {rule, [](const Node&, params::Sink&) {},
          [](const OpInfo& op, std::string_view bytes) {
            params::Reader(bytes, op.name).end();
            return std::make_shared<Node>(op, default_stream(), Arrays{});
          },
          spreads};
}

/// An input that an op may have.
inline std::optional<array> maybe(Inputs x, size_t i, bool there = true) {
  return there && i < x.size() ? std::optional(x[i]) : std::nullopt;
}

/// Throws Shape if an extent that the op makes itself may be that of an argument that has another now.
void check_fixed(const Shape& shape, const Rebuilding& recorded, std::string_view op);

void add_elementwise(Table& table);
void add_shapes(Table& table);
void add_indexing(Table& table);
void add_along_axes(Table& table);  // rules_axes.cc
void add_random(Table& table);
void add_linalg(Table& table);  // rules_linalg.cc
void add_fast(Table& table);    // rules_fast.cc

}  // namespace uma::rules
