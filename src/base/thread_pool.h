#pragma once
// A persistent pool for parallel loops. The calling thread takes part; workers spin for a short while
// after a loop, so that the many small loops of one decode step do not pay for waking them, and sleep
// after that.
#include <cstdint>
#include <type_traits>
#include <utility>

namespace uma {

/// A non-owning reference to a callable: what parallel_for needs, without an allocation.
template <class Signature>
class FunctionRef;
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, FunctionRef>>>
  FunctionRef(F&& f)  // NOLINT: implicit on purpose, as std::function
      : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

/// Threads that parallel loops use, the caller included. Default: UMA_NUM_THREADS, or the CPUs that this
/// process may run on. n = 0 restores the default.
void set_num_threads(int n);
int num_threads();

/// Runs body(task) for task = 0..tasks-1, each once, in any order and on any thread; returns when all are
/// done. An exception from a task is rethrown here (one of them, if several). A loop inside a loop, or one
/// that finds the pool taken by another caller, runs on its own thread.
void parallel_for(int64_t tasks, FunctionRef<void(int64_t task)> body);

/// Splits [0, n) into one contiguous range a thread, none shorter than `grain` but the last, and runs
/// body(begin, end) on each. One range, and no synchronisation at all, when n <= grain.
void parallel_ranges(int64_t n, int64_t grain, FunctionRef<void(int64_t begin, int64_t end)> body);

}  // namespace uma
