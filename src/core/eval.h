#pragma once
#include <atomic>
#include <exception>
#include <memory>
#include <span>
#include <unordered_set>
#include <vector>

#include "core/array.h"

namespace uma {

/// Computes the arrays, on the calling thread. The work is planned first: each op runs once, memory is
/// released at its last use, and a result may take the memory of an input that nobody needs any more.
/// Throws the first error of an op; arrays that could not be computed throw it again when read.
void eval(std::span<const array> arrays);
inline void eval(const std::vector<array>& arrays) {
  eval(std::span<const array>(arrays));
}
inline void eval(const array& a) {
  eval(std::span<const array>(&a, 1));
}

/// The same on a worker thread; returns at once. Reading one of the arrays waits for it.
void async_eval(std::span<const array> arrays);
inline void async_eval(const std::vector<array>& arrays) {
  async_eval(std::span<const array>(arrays));
}

/// Waits until everything given to async_eval has run.
void synchronize();

/// What eval would do, for tests and for people: the ops in their order.
struct PlanStep {
  const OpInfo* op;
  Shape shape;
  DType dtype;
};
std::vector<PlanStep> plan_of(std::span<const array> arrays);

/// All outputs of the node that makes `a`, for transformations; one whose handle is gone gets a new one.
std::vector<array> siblings_of(const array& a);

/// The scope of a transformation. Arrays given to follow(), and all that is computed from them while the
/// scope lives, on whatever thread, are tracers: evaluation keeps the nodes that made them, so that the graph
/// can still be walked. Scopes inside another one belong to it; the end of the outermost lets the nodes go.
///
/// A trace says what must be kept, not who differentiates what: each transformation knows its own seeds by
/// identity, so nested ones cannot mistake each other's.
class Tracing {
 public:
  Tracing();
  ~Tracing();
  Tracing(const Tracing&) = delete;
  Tracing& operator=(const Tracing&) = delete;

  void follow(const array& a) const;

 private:
  std::shared_ptr<Trace> trace_;
  bool outermost_;
};

/// The scope in which a function is recorded, to be run again without it (graph/graph.h): all arrays that
/// this thread makes meanwhile are tracers, and known as made here. That tells them from those that the
/// function only found: a value of the caller's, or a variable of a transformation further out.
class Recording {
 public:
  explicit Recording(bool shapeless);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  bool made(const array& a) const { return ids_.count(a.id()) > 0; }
  /// True where what this thread records must hold for other shapes as well.
  static bool shapeless();

  // For array::make. Where nothing is recorded, in any thread, that costs one test.
  static bool any() { return running_.load(std::memory_order_relaxed) != 0; }
  static void note(const array& made);

 private:
  static std::atomic<int> running_;
  Tracing tracing_;
  Recording* outer_;
  bool shapeless_;
  std::unordered_set<uintptr_t> ids_;
  std::vector<array> arrays_;  // kept, so that an id means one array
};

}  // namespace uma
