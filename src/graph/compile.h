#pragma once
// Functions that are recorded at their first call and replayed at the others.
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "graph/graph.h"

namespace uma {

/// The function, recorded once for each number, shape and dtype of its arguments (shapeless: number of
/// dimensions and dtype); later calls make the same ops of the new arguments, without calling it. It must
/// depend on its arguments alone: other arrays that it reads are constants of the recording. It nests with
/// the other transformations, either way round. May be called from several threads. throws, when called
/// InvalidArgument where `fun` reads the value of an array that depends on an argument; shapeless: what
/// Graph::for_arguments throws
Function compile(Function fun, bool shapeless = false);
UnaryFunction compile(UnaryFunction fun, bool shapeless = false);

/// Whether compiled functions are recorded at all, or just called. Off if MLX_DISABLE_COMPILE is set.
void disable_compile();
void enable_compile();
bool compile_enabled();

/// A recorded function and, if it is shapeless, what was derived from it for other shapes.
class Recorded {
 public:
  Recorded(Graph graph, bool shapeless) : graph_(std::move(graph)), shapeless_(shapeless) {}
  std::vector<array> operator()(std::span<const array> arguments);
  const Graph& graph() const { return graph_; }

 private:
  std::shared_ptr<const Graph> derived(std::span<const array> arguments);

  Graph graph_;
  bool shapeless_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const Graph>> derived_;
};

/// Adds what of an array tells recordings apart. One without `extents` serves all with as many dimensions.
void append_key(std::string& key, const array& a, bool extents);

/// More recordings than this of one function are forgotten: it is called with constants that never come
/// again.
inline constexpr size_t kMostRecordings = 1024;

}  // namespace uma
