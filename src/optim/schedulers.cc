#include "optim/schedulers.h"

#include <numbers>

#include "ops/cast.h"
#include "ops/operators.h"

namespace uma::optim {
namespace {

void check_steps(std::string_view op, int64_t steps) {
  check(steps > 0, ErrorCode::kInvalidArgument, op, "needs a positive number of steps, not {}", steps);
}

/// min(step, most) as float32: whole factors would keep it an integer.
array bounded(const array& step, int64_t most) {
  return astype(minimum(step, static_cast<double>(most)), DType::float32);
}

array decayed(double init, double rate, const array& times) {
  return init * power(array(rate, DType::float32), times);
}

}  // namespace

Schedule exponential_decay(double init, double decay_rate) {
  return [=](const array& step) { return decayed(init, decay_rate, step); };
}

Schedule step_decay(double init, double decay_rate, int64_t step_size) {
  check_steps("step_decay", step_size);
  return [=](const array& step) {
    return decayed(init, decay_rate, floor_divide(step, weak(static_cast<double>(step_size), step)));
  };
}

Schedule cosine_decay(double init, int64_t decay_steps, double end) {
  check_steps("cosine_decay", decay_steps);
  return [=](const array& step) {
    const array done = bounded(step, decay_steps) * (std::numbers::pi / static_cast<double>(decay_steps));
    return end + (init - end) * (0.5 * (1 + cos(done)));
  };
}

Schedule linear_schedule(double init, double end, int64_t steps) {
  check_steps("linear_schedule", steps);
  const double slope = (end - init) / static_cast<double>(steps);
  return [=](const array& step) { return bounded(step, steps) * slope + init; };
}

Schedule join_schedules(std::vector<Schedule> schedules, std::vector<int64_t> boundaries) {
  check(!schedules.empty() && boundaries.size() + 1 == schedules.size(), ErrorCode::kInvalidArgument,
        "join_schedules", "{} schedules need one boundary less, not {}", schedules.size(), boundaries.size());
  return [=](const array& step) {
    array value = schedules[0](step);
    for (size_t i = 0; i < boundaries.size(); ++i) {
      const auto boundary = static_cast<double>(boundaries[i]);
      // Steps are unsigned: a schedule is never asked for the time before it begins.
      const array since = maximum(step, boundary) - boundary;
      value = where(step < boundary, value, schedules[i + 1](since));
    }
    return value;
  };
}

}  // namespace uma::optim
