"""Optimizers and schedules against MLX (or its frozen results), and what needs no oracle."""

import case_optimizers
import pytest
from oracle import check


@pytest.mark.parametrize("name", case_optimizers.CASES)
def test_same_as_mlx(name):
    check(name, case_optimizers.CASES[name], 2 if "Muon" in name else 1)


def train(world, compiled, steps=4):
    mx, nn = world.mx, world.nn
    net = world.fill(nn.Sequential(nn.Linear(3, 8), nn.gelu, nn.Dropout(0.2), nn.LayerNorm(8), nn.Linear(8, 1)))
    net.layers[0].freeze(keys="bias")
    optimizer = world.optim.AdamW(world.optim.linear_schedule(0.1, 0.01, 5))
    loss_and_grad = nn.value_and_grad(net, lambda x, y: nn.losses.mse_loss(net(x), y))
    optimizer.init(net.trainable_parameters())
    mx.random.seed(4)

    def step(x, y):
        loss, grads = loss_and_grad(x, y)
        grads, _ = world.optim.clip_grad_norm(grads, 1.0)
        optimizer.update(net, grads)
        return loss

    if compiled:
        state = [net.state, optimizer.state, mx.random.state]
        step = mx.compile(step, inputs=state, outputs=state)
    x, y = world.array(16, 3), world.array(16, 1, seed=1)
    losses = [step(x, y).item() for _ in range(steps)]
    return losses, net, optimizer


def test_a_compiled_step_is_the_same_step(world):
    plain, net, optimizer = train(world, False)
    compiled, net_2, optimizer_2 = train(world, True)
    assert all(abs(a - b) < 1e-5 for a, b in zip(plain, compiled)) and plain[-1] < plain[0]
    assert optimizer_2.step.item() == optimizer.step.item() == 4
    for (name, a), (_, b) in zip(*(world.utils.tree_flatten(m.parameters()) for m in (net, net_2))):
        assert world.mx.abs(a - b).max().item() < 1e-5, name


def test_every_optimizer_finds_the_minimum(world):
    mx, optim = world.mx, world.optim
    target = world.array(4, 3)
    for name, make in case_optimizers.OPTIMIZERS.items():
        if "warmup" in name or "scheduled" in name or "Multi" in name:
            continue  # rates that are meant for other lengths
        optimizer, params = make(optim), {"w": world.array(4, 3, seed=1)}
        grad = mx.grad(lambda p: mx.square(p["w"] - target).sum())
        first = mx.square(params["w"] - target).sum().item()
        for _ in range(60):
            params = optimizer.apply_gradients(grad(params), params)
            mx.eval(params, optimizer.state)
        last = mx.square(params["w"] - target).sum().item()
        slow = name.startswith(("AdaDelta", "Adafactor"))
        assert last < (0.9 if slow else 0.5) * first, f"{name}: {last} of {first}"


def test_errors_say_what_was_seen(world):
    optim = world.optim
    with pytest.raises(ValueError, match="momentum > 0 and dampening = 0, they are 0.9 and 0.1"):
        optim.SGD(0.1, momentum=0.9, dampening=0.1, nesterov=True)
    with pytest.raises(ValueError, match="3 schedules need 2 boundaries, not 1"):
        optim.join_schedules([lambda s: s] * 3, [1])
    with pytest.raises(ValueError, match="steps must be greater than 0, not 0"):
        optim.linear_schedule(0, 1, 0)
    with pytest.raises(ValueError, match="2 optimizers need 1 filters, not 0"):
        optim.MultiOptimizer([optim.SGD(0.1), optim.SGD(0.1)])


def test_a_joined_schedule_never_asks_for_negative_steps(world):
    mx, seen = world.mx, []

    def later(step):
        seen.append(step.item())
        return step * 1.0

    joined = world.optim.join_schedules([lambda step: step * 0.0 + 7, later], [10])
    assert joined(mx.array(3, mx.uint64)).item() == 7 and joined(mx.array(12, mx.uint64)).item() == 2
    assert seen == [0, 2]
