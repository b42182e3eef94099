#include "optim/optimizer.h"

#include "ops/cast.h"
#include "ops/operators.h"
#include "ops/reduce.h"

namespace uma::optim {

Rate::Rate(double value) : value_(value) {}

array Rate::at(const array& step) const {
  return schedule_ ? schedule_(step) : array(value_, DType::float32);
}

Optimizer::Optimizer(const std::optional<Rate>& learning_rate) {
  scalars_.emplace("step", array(uint64_t{0}));
  if (!learning_rate) return;
  schedule_ = learning_rate->schedule();
  scalars_.emplace("learning_rate", learning_rate->at(step()));
}

const array& Optimizer::scalar(std::string_view name) const {
  const auto found = scalars_.find(name);
  check(found != scalars_.end(), ErrorCode::kNotFound, "Optimizer", "has no {}", name);
  return found->second;
}

void Optimizer::set_learning_rate(double learning_rate) {
  scalars_.insert_or_assign("learning_rate", array(learning_rate, DType::float32));
}

array Optimizer::rate(DType dtype) const {
  return astype(learning_rate(), dtype);
}

void Optimizer::init(const Parameters& parameters) {
  for (const auto& [path, parameter] : parameters) {
    Slots& slots = slots_[path];
    if (slots.empty()) init_single(parameter, slots);
  }
}

Parameters Optimizer::apply_gradients(const Parameters& gradients, const Parameters& parameters) {
  for (const auto& [path, gradient] : gradients) {
    const auto own = parameters.find(path);
    check(own != parameters.end(), ErrorCode::kNotFound, "Optimizer",
          "there is a gradient and no parameter \"{}\"", path);
    check(gradient.shape() == own->second.shape(), ErrorCode::kShape, "Optimizer",
          "{} has shape {} and its gradient {}", path, own->second.shape(), gradient.shape());
  }
  const auto scalars = scalars_;
  const auto slots = slots_;
  try {
    init(gradients);
    if (schedule_) scalars_.insert_or_assign("learning_rate", schedule_(step()));
    scalars_.insert_or_assign("step", step() + 1);
    Parameters updated;
    for (const auto& [path, gradient] : gradients)
      updated.emplace(path, apply_single(gradient, parameters.find(path)->second, slots_[path]));
    return updated;
  } catch (...) {
    // A schedule or an optimizer of the user's may fail half way.
    scalars_ = scalars;
    slots_ = slots;
    throw;
  }
}

void Optimizer::update(nn::Module model, const Parameters& gradients) {
  model.update(apply_gradients(gradients, model.parameters()));
}

Parameters Optimizer::state() const {
  Parameters state = scalars_;
  for (const auto& [path, slots] : slots_)
    for (const auto& [name, value] : slots) state.emplace(path + "." + name, value);
  return state;
}

void Optimizer::set_state(const Parameters& state) {
  check(state.count("step") > 0, ErrorCode::kInvalidArgument, "set_state", "the state has no \"step\"");
  scalars_.clear();
  slots_.clear();
  for (const auto& [path, value] : state) {
    const size_t dot = path.rfind('.');
    if (dot == std::string::npos)
      scalars_.insert_or_assign(path, value);
    else
      slots_[path.substr(0, dot)].insert_or_assign(path.substr(dot + 1), value);
  }
}

MultiOptimizer::MultiOptimizer(std::vector<std::shared_ptr<Optimizer>> optimizers,
                               std::vector<Filter> filters)
    : optimizers_(std::move(optimizers)), filters_(std::move(filters)) {
  check(filters_.size() + 1 == optimizers_.size(), ErrorCode::kInvalidArgument, "MultiOptimizer",
        "{} optimizers need one filter less, not {}", optimizers_.size(), filters_.size());
}

std::vector<Parameters> MultiOptimizer::parts_of(const Parameters& gradients) const {
  std::vector<Parameters> parts(optimizers_.size());
  for (const auto& [path, gradient] : gradients) {
    size_t i = 0;
    while (i < filters_.size() && !filters_[i](path, gradient)) ++i;
    parts[i].emplace(path, gradient);
  }
  return parts;
}

void MultiOptimizer::init(const Parameters& parameters) {
  const auto parts = parts_of(parameters);
  for (size_t i = 0; i < parts.size(); ++i) optimizers_[i]->init(parts[i]);
}

Parameters MultiOptimizer::apply_gradients(const Parameters& gradients, const Parameters& parameters) {
  const auto parts = parts_of(gradients);
  const Parameters before = state();
  Parameters updated;
  try {
    for (size_t i = 0; i < parts.size(); ++i)
      updated.merge(optimizers_[i]->apply_gradients(parts[i], parameters));
  } catch (...) {
    set_state(before);  // of those that have stepped already
    throw;
  }
  return updated;
}

void MultiOptimizer::update(nn::Module model, const Parameters& gradients) {
  model.update(apply_gradients(gradients, model.parameters()));
}

Parameters MultiOptimizer::state() const {
  Parameters all;
  for (size_t i = 0; i < optimizers_.size(); ++i)
    for (const auto& [name, value] : optimizers_[i]->state())
      all.emplace(fmt::format("states.{}.{}", i, name), value);
  return all;
}

void MultiOptimizer::set_state(const Parameters& state) {
  for (const auto& [name, value] : state)
    check(name.starts_with("states."), ErrorCode::kInvalidArgument, "set_state",
          "\"{}\" is of no optimizer here", name);
  std::vector<Parameters> parts(optimizers_.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string prefix = fmt::format("states.{}.", i);
    check(state.count(prefix + "step") > 0, ErrorCode::kInvalidArgument, "set_state",
          "the state has no \"{}step\"", prefix);
    for (const auto& [name, value] : state)
      if (name.starts_with(prefix)) parts[i].emplace(name.substr(prefix.size()), value);
  }
  for (size_t i = 0; i < parts.size(); ++i) optimizers_[i]->set_state(parts[i]);
}

std::pair<Parameters, array> clip_grad_norm(const Parameters& gradients, double max_norm) {
  array squares(0.0f);
  for (const auto& [path, gradient] : gradients) squares += sum(square(gradient));
  const array norm = sqrt(squares);
  const array scale = minimum(max_norm / (norm + 1e-6), 1);
  Parameters clipped;
  for (const auto& [path, gradient] : gradients)
    clipped.emplace(path, gradient * astype(scale, gradient.dtype()));
  return {std::move(clipped), norm};
}

}  // namespace uma::optim
