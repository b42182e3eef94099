"""Schedules: functions of the step (an integer or an array) that an optimizer takes in place of a number."""

import math
from typing import Callable, List

import uma.core as mx


def _check_steps(owner, name, steps):
    if steps <= 0:
        raise ValueError(f"[{owner}] {name} must be greater than 0, not {steps}")


def exponential_decay(init: float, decay_rate: float) -> Callable:
    """``init * decay_rate ** step``.

    >>> schedule = exponential_decay(1.0, 0.9)
    >>> [round(float(schedule(step)), 4) for step in (0, 5, 10, 15)]
    [1.0, 0.5905, 0.3487, 0.2059]
    """
    return lambda step: init * decay_rate**step


def step_decay(init: float, decay_rate: float, step_size: int) -> Callable:
    """``init * decay_rate ** (step // step_size)``; ValueError unless step_size > 0.

    >>> schedule = step_decay(1.0, 0.5, 5)
    >>> [round(float(schedule(step)), 4) for step in (0, 5, 10, 15)]
    [1.0, 0.5, 0.25, 0.125]
    """
    _check_steps("step_decay", "step_size", step_size)
    return lambda step: init * decay_rate ** (step // step_size)


def cosine_decay(init: float, decay_steps: int, end: float = 0.0) -> Callable:
    """Half a cosine from ``init`` to ``end`` in ``decay_steps``, then ``end``; ValueError unless decay_steps > 0.

    Source: Loshchilov and Hutter 2016, arXiv:1608.03983.

    >>> schedule = cosine_decay(1.0, 10)
    >>> [round(float(schedule(step)), 4) for step in (0, 5, 10, 15)]
    [1.0, 0.5, 0.0, 0.0]
    """
    _check_steps("cosine_decay", "decay_steps", decay_steps)

    def schedule(step):
        done = mx.minimum(step, decay_steps) * (math.pi / decay_steps)
        return end + (init - end) * (0.5 * (1 + mx.cos(done)))

    return schedule


def linear_schedule(init: float, end: float, steps: int) -> Callable:
    """A line from ``init`` to ``end`` in ``steps``, then ``end``; ValueError unless steps > 0.

    >>> schedule = linear_schedule(0.0, 1.0, 10)
    >>> [round(float(schedule(step)), 4) for step in (0, 5, 10, 15)]
    [0.0, 0.5, 1.0, 1.0]
    """
    _check_steps("linear_schedule", "steps", steps)
    slope = (end - init) / steps
    return lambda step: mx.minimum(step, steps) * slope + init


def join_schedules(schedules: List[Callable], boundaries: List[int]) -> Callable:
    """One schedule after the other: each counts its steps from the boundary at which it begins.

    Raises ValueError unless there is at least one schedule and one boundary less than schedules.

        warmup = linear_schedule(0.0, 1e-3, 100)
        rate = join_schedules([warmup, cosine_decay(1e-3, 1000)], [100])

    >>> schedule = join_schedules([linear_schedule(0.0, 1.0, 10), step_decay(1.0, 0.5, 5)], [10])
    >>> [round(float(schedule(step)), 4) for step in (0, 5, 10, 15)]
    [0.0, 0.5, 1.0, 0.5]
    """
    if not schedules:
        raise ValueError("[join_schedules] at least one schedule is needed")
    if len(boundaries) != len(schedules) - 1:
        raise ValueError(
            f"[join_schedules] {len(schedules)} schedules need {len(schedules) - 1} boundaries, not {len(boundaries)}"
        )

    def schedule(step):
        value = schedules[0](step)
        for boundary, following in zip(boundaries, schedules[1:]):
            # steps are unsigned: never ask a schedule for the time before it begins
            since = mx.maximum(step, boundary) - boundary
            value = mx.where(step < boundary, value, following(since))
        return value

    return schedule
