#pragma once
// What optimizers share: one updates one array at a time, the base class does it for all paths of a module.
#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nn/module.h"
#include "optim/schedulers.h"

namespace uma::optim {

using nn::Parameters;

/// A number, or a schedule.
class Rate {
 public:
  Rate(double value);  // NOLINT: a number is a rate
  template <class F>
  requires std::is_invocable_r_v<array, const F&, const array&> Rate(F schedule)  // NOLINT
      : Rate(Schedule(std::move(schedule)), nullptr) {}

  /// The value at a step; the schedule, which is empty for a number.
  array at(const array& step) const;
  const Schedule& schedule() const { return schedule_; }

 private:
  Rate(Schedule schedule, std::nullptr_t) : schedule_(std::move(schedule)), value_(0) {}
  Schedule schedule_;
  double value_;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// Updates the model with gradients as from nn::value_and_grad. Arrays stay lazy: evaluate the model's
  /// parameters and state() after each step. throws what apply_gradients throws
  void update(nn::Module model, const Parameters& gradients);
  /// The updated parameters, of the paths of `gradients`. throws NotFound for a path that `parameters` lack,
  /// Shape where the two differ
  Parameters apply_gradients(const Parameters& gradients, const Parameters& parameters);
  /// Makes the state for parameters; what is there already, as from a checkpoint, is kept. The first update
  /// does it if it was not done.
  void init(const Parameters& parameters);

  /// "step", "learning_rate", and what is remembered of each parameter: "layers.0.weight.m". The paths are
  /// those of tree_flatten(optimizer.state) in Python, so a checkpoint serves both.
  Parameters state() const;
  /// Resumes from a state. Nothing of the former one is kept.
  void set_state(const Parameters& state);

  /// The number of updates.
  const array& step() const { return scalar("step"); }
  /// A schedule sets it again at the next update. Throws NotFound for an optimizer without one.
  const array& learning_rate() const { return scalar("learning_rate"); }
  void set_learning_rate(double learning_rate);

 protected:
  /// What is remembered of one parameter, by name.
  using Slots = std::map<std::string, array, std::less<>>;

  /// Without a learning rate where it follows from the step.
  explicit Optimizer(const std::optional<Rate>& learning_rate);
  virtual void init_single(const array& parameter, Slots& slots) const = 0;
  /// The updated parameter; the slots are changed.
  virtual array apply_single(const array& gradient, const array& parameter, Slots& slots) const = 0;

  /// The learning rate in this dtype.
  array rate(DType dtype) const;

 private:
  const array& scalar(std::string_view name) const;

  Parameters scalars_;
  Schedule schedule_;
  std::map<std::string, Slots, std::less<>> slots_;  // by path
};

/// Several optimizers, each for its part of the parameters: a path goes to the first whose filter takes it,
/// and what is left to the last, which has no filter:
///   optim::MultiOptimizer optimizer({muon, adam}, {[](const auto& path, const array& g) { return g.ndim() ==
///   2; }});
class MultiOptimizer {
 public:
  using Filter = std::function<bool(const std::string& path, const array& gradient)>;
  /// throws  InvalidArgument unless there is one filter less than optimizers
  MultiOptimizer(std::vector<std::shared_ptr<Optimizer>> optimizers, std::vector<Filter> filters);

  // As those of Optimizer.
  void update(nn::Module model, const Parameters& gradients);
  Parameters apply_gradients(const Parameters& gradients, const Parameters& parameters);
  void init(const Parameters& parameters);
  /// "states.0.step", "states.0.weight.m", ...
  Parameters state() const;
  void set_state(const Parameters& state);

 private:
  std::vector<Parameters> parts_of(const Parameters& gradients) const;
  std::vector<std::shared_ptr<Optimizer>> optimizers_;
  std::vector<Filter> filters_;
};

/// The gradients scaled down together so that their global norm is at most max_norm, and the norm before.
std::pair<Parameters, array> clip_grad_norm(const Parameters& gradients, double max_norm);

}  // namespace uma::optim
