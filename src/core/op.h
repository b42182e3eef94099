#pragma once
// What an operation is: one OpInfo row, in one place. Rows are constexpr objects in ops/x.h and fast/x.h;
// an op's identity is the address of its row. ops/registry.h holds the only list of them.
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "base/shape.h"
#include "core/device.h"

namespace uma {

class array;
struct Node;
struct Tensor;
class KernelArgs;

/// How the dtype of the result follows from those of the inputs.
enum class DTypeRule : uint8_t { same, promote, promote_inexact, boolean, index, custom };

/// What the planner may do with an op.
enum class Fusion : uint8_t { none, elementwise, reduction, view };

struct TestDomain {
  double lo = -2, hi = 2;
};

/// Cotangents of the inputs in `argnums`, given those of the outputs.
using VjpFn = std::vector<array> (*)(const Node& node, std::span<const array> outputs,
                                     std::span<const array> cotangents, std::span<const int> argnums);
/// Tangents of the outputs, given those of the inputs in `argnums`.
using JvpFn = std::vector<array> (*)(const Node& node, std::span<const array> outputs,
                                     std::span<const array> tangents, std::span<const int> argnums);
/// The op over one more axis: inputs[i] has it at axes[i], or not at all where axes[i] is -1. Returns
/// the outputs and where each has the axis.
using VmapFn = std::pair<std::vector<array>, std::vector<int>> (*)(const Node& node,
                                                                   std::span<const array> inputs,
                                                                   std::span<const int> axes);
/// The same result from other ops: the path of a device without a kernel, and the source of vjp, jvp
/// and vmap where the slots above are empty.
using FallbackFn = std::vector<array> (*)(const Node& node, std::span<const array> inputs);
/// Makes the outputs views of the inputs. False: this case needs the kernel (say, a copy).
using ViewFn = bool (*)(KernelArgs& args);

struct OpInfo {
  std::string_view name;  // as MLX spells it
  std::string_view args;  // names of the array inputs, "x, y"
  std::string_view doc;   // one sentence
  DTypeRule dtype = DTypeRule::same;
  Fusion fusion = Fusion::none;
  VjpFn vjp = nullptr;
  JvpFn jvp = nullptr;
  VmapFn vmap = nullptr;
  FallbackFn fallback = nullptr;
  ViewFn view = nullptr;
  double max_ulp = 0;  // of the f32 kernel against f64; 0: exact but for the final rounding
  TestDomain domain = {};
  std::string_view example = {};  // an expression that the docs show
};

/// One application of an op: its row, parameters and inputs. Lives until it is evaluated, or as long as
/// an array that a transformation traces needs it.
struct Node {
  const OpInfo* op;
  Stream stream;
  std::vector<array> inputs;

  Node(const OpInfo& op, Stream stream, std::vector<array>&& inputs);
  virtual ~Node();  // not recursive: a chain of a million ops is a legal graph
  virtual const void* params_address() const { return nullptr; }

  /// The params struct that the op was made with.
  template <class P>
  const P& params() const {
    return *static_cast<const P*>(params_address());
  }

  struct Output {
    Shape shape;
    DType dtype;
    std::weak_ptr<Tensor> tensor;
  };
  std::vector<Output> siblings;  // every output, where there are several; empty for the usual one
};

template <class P>
struct NodeWith final : Node {
  P value;
  NodeWith(const OpInfo& op, Stream stream, std::vector<array>&& inputs, P value)
      : Node(op, stream, std::move(inputs)), value(std::move(value)) {}
  const void* params_address() const override { return &value; }
};

}  // namespace uma
