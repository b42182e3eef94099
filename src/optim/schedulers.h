#pragma once
// Schedules: functions of the step that an optimizer takes in place of a number.
#include <functional>
#include <vector>

#include "core/array.h"

namespace uma::optim {

/// From the step, a 0-d array of integers, to a 0-d array.
using Schedule = std::function<array(const array& step)>;

/// init decay_rate^step, and init decay_rate^(step / step_size) rounded down. throws InvalidArgument for a
/// size below 1
Schedule exponential_decay(double init, double decay_rate);
Schedule step_decay(double init, double decay_rate, int64_t step_size);
/// Half a cosine from init to end in decay_steps, then end. throws InvalidArgument for no steps
/// source  Loshchilov & Hutter 2016, arXiv:1608.03983
Schedule cosine_decay(double init, int64_t decay_steps, double end = 0);
/// A line from init to end in `steps`, then end. throws InvalidArgument for no steps
Schedule linear_schedule(double init, double end, int64_t steps);
/// One after the other: each counts its steps from the boundary at which it begins. throws InvalidArgument
/// unless there is one boundary less than schedules
Schedule join_schedules(std::vector<Schedule> schedules, std::vector<int64_t> boundaries);

}  // namespace uma::optim
