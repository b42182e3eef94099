"""What layers and modules must do that needs no oracle, and where they do better than MLX."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest


def values(x):
    return np.array(x.astype("float32") if isinstance(x, np.ndarray) else x.tolist())


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
@pytest.mark.parametrize("kind", [str, Path])
def test_weights_survive_a_file(world, tmp_path, ending, kind):
    nn, path = world.nn, kind(tmp_path / f"weights.{ending}")
    net = world.fill(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), [nn.Embedding(5, 2)][0]))
    net.save_weights(path)
    other = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.Embedding(5, 2)).load_weights(path)
    for (name, a), (same, b) in zip(*(world.utils.tree_flatten(m.parameters()) for m in (net, other))):
        assert name == same and a.tolist() == b.tolist()


def test_a_failed_load_changes_nothing(world):
    linear = world.fill(world.nn.Linear(2, 3))
    before = linear.weight.tolist()
    ones = world.mx.ones
    for bad, text in (
        ([("weight", ones((3, 2)))], "missing 1 parameters: bias"),
        ([("weight", ones((3, 2))), ("bias", ones(3)), ("x", ones(1))], "received 1 parameters not in the model: x"),
        ([("weight", ones((3, 2))), ("bias", ones(4))], r"bias has shape \(4,\), expected \(3,\)"),
        ([("weight", 5), ("bias", ones(3))], "weight must be an array, not int"),
    ):
        with pytest.raises(ValueError, match=text):
            linear.load_weights(bad)
    assert linear.weight.tolist() == before


def test_copies_and_pickles(world):
    net = world.nn.Sequential(world.nn.Linear(2, 3), world.nn.BatchNorm(3)).eval()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert repr(other) == repr(net) and not other.training and not other.layers[0].training
        assert other.layers[1]._no_grad == {"running_mean", "running_var"}
        assert other.layers[0].weight.tolist() == net.layers[0].weight.tolist()
        other.layers[0].weight = world.mx.zeros((3, 2))
        assert net.layers[0].weight.abs().sum().item() > 0


def test_a_subclass_without_super_init_works(world):
    class Net(world.nn.Module):
        def __init__(self):
            self.inner = world.nn.Linear(2, 2)

        @property
        def broken(self):
            return self.no_such_thing

    net = Net()
    assert net.training and list(net.trainable_parameters()) == ["inner"]
    net.freeze()
    assert net.trainable_parameters() == {"inner": {}}
    with pytest.raises(AttributeError, match="no_such_thing"):
        net.broken


def test_running_statistics_stay_frozen_in_a_model(world):
    net = world.nn.Sequential(world.nn.BatchNorm(3)).freeze().unfreeze()
    assert sorted(net.trainable_parameters()["layers"][0]) == ["bias", "weight"]


def test_leaf_modules_are_those_without_modules(world):
    nn = world.nn
    net = nn.Sequential(nn.Sequential(nn.Tanh(), nn.ReLU()), nn.Linear(1, 1))
    leaves = world.utils.tree_flatten(net.leaf_modules(), is_leaf=nn.Module.is_module)
    assert [type(m).__name__ for _, m in leaves] == ["Tanh", "ReLU", "Linear"]


def test_a_partly_frozen_dict_can_be_trained(world):
    class Net(world.nn.Module):
        def __init__(self):
            super().__init__()
            self.d = {"a": world.mx.ones(2), "b": world.mx.ones(2)}

    net = Net().freeze(keys="d.b")
    value, grads = world.nn.value_and_grad(net, lambda: (net.d["a"] * net.d["b"]).sum())()
    assert value.item() == 2 and grads == {"d": {"a": grads["d"]["a"], "b": {}}}


def test_parameters_are_back_when_the_loss_raises(world):
    net = world.nn.Linear(2, 1)
    before = net.weight

    def loss():
        raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        world.nn.value_and_grad(net, loss)()
    assert net.weight is before


def test_value_and_grad_keeps_what_the_loss_assigns(world):
    net = world.nn.BatchNorm(2)
    mx = world.mx

    def loss(x):
        y = net(x).sum()
        net.counter = mx.array(3.0)
        return y

    world.nn.value_and_grad(net, loss)(world.array(4, 2))
    assert net.counter.item() == 3 and net.running_mean.abs().sum().item() > 0


def test_gradients_agree_with_finite_differences(world):
    nn, mx = world.nn, world.mx
    nets = [nn.Linear(3, 2), nn.GRU(3, 2), nn.LSTM(3, 2), nn.Conv1d(3, 2, 2), nn.GroupNorm(1, 3), nn.AvgPool1d(2, 1)]
    for net in nets:
        world.fill(net)
        x, step = world.array(2, 4, 3, seed=5), 1e-2

        def loss(x):
            y = net(x)
            return mx.square(y[0] if isinstance(y, tuple) else y).sum()

        direction = world.array(2, 4, 3, seed=6)
        slope = (mx.grad(loss)(x) * direction).sum().item()
        numeric = ((loss(x + step * direction) - loss(x - step * direction)) / (2 * step)).item()
        assert abs(slope - numeric) < 2e-2 * max(1, abs(slope)), type(net).__name__


def test_max_pool_of_integers_pads_with_the_lowest(world):
    x = world.mx.array([[[-5], [-7], [-9]]])
    assert world.nn.MaxPool1d(3, 1, 1)(x).tolist() == [[[-5], [-5], [-7]]]


def test_pool_errors(world):
    nn, ones = world.nn, world.mx.ones
    with pytest.raises(ValueError, match=r"window \(9,\) is larger than the padded input \(5,\)"):
        nn.MaxPool1d(9, 1)(ones((2, 5, 3)))
    with pytest.raises(ValueError, match="stride must be at least 1, not 0"):
        nn.AvgPool2d(2, 0)


def test_dropout_keeps_the_mean_and_drops_whole_channels(world):
    world.mx.random.seed(0)
    x = world.mx.ones((64, 8, 8, 32))
    y = values(world.nn.Dropout2d(0.25)(x))
    assert abs(y.mean() - 1) < 0.05
    assert np.allclose(np.unique(y), [0, 1 / 0.75])
    assert (y == y[:, :1, :1, :]).all()


def test_upsample_keeps_ramps_and_constants(world):
    nn, mx = world.nn, world.mx
    ramp = mx.arange(8, dtype=mx.float32).reshape(1, 8, 1)
    y = values(nn.Upsample(15 / 8, "linear", align_corners=True)(ramp)).reshape(-1)
    assert np.allclose(y, np.linspace(0, 7, 15), atol=1e-6)
    flat = mx.full((1, 6, 7, 2), 3.0)
    for scale in (0.4, 1.3, 2):
        for options in ({}, {"align_corners": True}, {"antialias": True}):
            for mode in ("linear", "cubic"):
                assert np.allclose(values(nn.Upsample(scale, mode, **options)(flat)), 3.0, atol=1e-5)


def test_losses_of_float_class_indices_and_half_logits(world):
    mx, nn = world.mx, world.nn
    logits = mx.array([[2.0, -1.0], [-1.0, 2.0]])
    assert abs(nn.losses.cross_entropy(logits, mx.array([0.0, 1.0])).tolist()[0] - 0.0485873) < 1e-6
    with pytest.raises(ValueError, match=r"targets \(3,\) do not fit logits \(2, 2\)"):
        nn.losses.cross_entropy(logits, mx.array([0, 1, 1]))


def test_smooth_l1_without_beta_is_l1(world):
    mx, losses = world.mx, world.nn.losses
    x, y = world.array(5, seed=1), world.array(5, seed=2)
    grad = mx.grad(lambda x: losses.smooth_l1_loss(x, y, beta=0, reduction="sum"))(x)
    assert grad.tolist() == mx.sign(x - y).tolist()


def test_clipped_half_gradients_stay_half(world):
    grads = {"a": world.array(4, dtype="float16")}
    for clip in (world.optim.clip_grad_norm, world.nn.utils.clip_grad_norm_sharded):
        clipped, norm = clip(grads, 0.1)
        assert clipped["a"].dtype == world.mx.float16
        assert abs(np.linalg.norm(values(clipped["a"])) - 0.1) < 1e-3 and norm.item() > 0.1
