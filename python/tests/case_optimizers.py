"""Optimizers and schedules: states and parameters over some steps."""

CASES = {}

SHAPES = {"weight": (3, 4), "tall": (5, 2), "filters": (3, 2, 2, 2), "bias": (4,)}

OPTIMIZERS = {
    "SGD": lambda o: o.SGD(0.1),
    "SGD.momentum": lambda o: o.SGD(0.1, momentum=0.9, weight_decay=0.01, dampening=0.1),
    "SGD.nesterov": lambda o: o.SGD(0.1, momentum=0.9, nesterov=True),
    "RMSprop": lambda o: o.RMSprop(0.1, alpha=0.9),
    "Adagrad": lambda o: o.Adagrad(0.1),
    "AdaDelta": lambda o: o.AdaDelta(0.5, rho=0.8),
    "Adam": lambda o: o.Adam(0.1, betas=[0.8, 0.99]),
    "Adam.corrected": lambda o: o.Adam(0.1, bias_correction=True),
    "AdamW": lambda o: o.AdamW(0.1, weight_decay=0.1),
    "AdamW.corrected": lambda o: o.AdamW(0.1, bias_correction=True),
    "Adamax": lambda o: o.Adamax(0.1),
    "Lion": lambda o: o.Lion(0.1, weight_decay=0.1),
    "Adafactor": lambda o: o.Adafactor(),
    "Adafactor.warmup": lambda o: o.Adafactor(warmup_init=True, scale_parameter=False),
    "Adafactor.rate": lambda o: o.Adafactor(0.1, relative_step=False, beta_1=0.9, weight_decay=0.1),
    "Adafactor.clip": lambda o: o.Adafactor(0.1, relative_step=False, clip_threshold=0.3, decay_rate=-0.5),
    "Muon": lambda o: o.Muon(0.1),
    "Muon.plain": lambda o: o.Muon(0.1, nesterov=False, weight_decay=0, ns_steps=3),
    "scheduled": lambda o: o.Adam(o.cosine_decay(0.1, 3, 0.01)),
    "scheduled.sgd": lambda o: o.SGD(lambda step: step * 0.1, momentum=0.5),
    "Multi": lambda o: o.MultiOptimizer(
        [o.Adam(0.1), o.Lion(0.1), o.SGD(o.linear_schedule(0.1, 0.2, 4))],
        [lambda path, g: "weight" in path, lambda path, g: g.ndim > 1],
    ),
}


def run(w, optimizer, dtype="float32", steps=3):
    params = {name: w.array(*shape, seed=1, dtype=dtype) for name, shape in SHAPES.items()}
    params["nested"] = [{"w": w.array(2, 3, seed=2, dtype=dtype)}, {}]
    out = {}
    for step in range(steps):
        grads = w.utils.tree_map_with_path(
            lambda p, x: w.array(*x.shape, seed=10 * step + len(p), dtype=dtype, scale=0.3), params
        )
        params = optimizer.apply_gradients(grads, params)
        w.mx.eval(params, optimizer.state)
    out["params"], out["state"] = params, optimizer.state
    return out


def optimizer(name, make):
    CASES[f"optimizer.{name}"] = lambda w: run(w, make(w.optim))
    CASES[f"optimizer.{name}.half"] = lambda w: run(w, make(w.optim), "bfloat16", steps=1)


for _name, _make in OPTIMIZERS.items():
    optimizer(_name, _make)


def initial_states(w):
    params = {"a": [w.mx.ones((2, 3)), {}], "b": (w.mx.ones(2),), "c": {"d": w.mx.ones(1)}}
    out = {}
    for name, make in OPTIMIZERS.items():
        opt = make(w.optim)
        out[name] = {"before": opt.state}
        opt.init(params)
        out[name]["after"] = opt.state
    return out


CASES["optimizer.init"] = initial_states


def resume(w):
    first, second = w.optim.Adam(0.1), w.optim.Adam(0.5)
    run(w, first)
    second.state = w.utils.tree_map(lambda x: x, first.state)
    out = {"resumed": run(w, second, steps=1)}
    first.learning_rate = 0.25
    out["rate"] = first.learning_rate
    first.init({"new": w.mx.ones(2)})
    out["names"] = list(first.state)
    multi = OPTIMIZERS["Multi"](w.optim)
    multi.learning_rate = 0.3
    out["multi"] = [o.learning_rate for o in multi.optimizers]
    return out


CASES["optimizer.resume"] = resume


def update_model(w):
    net = w.fill(w.nn.Sequential(w.nn.Linear(3, 4), w.nn.ReLU(), w.nn.Linear(4, 1)))
    net.layers[0].freeze()
    opt = w.optim.AdamW(w.optim.join_schedules([w.optim.linear_schedule(0, 0.1, 2), lambda s: 0.1 / (s + 1)], [2]))
    loss = w.nn.value_and_grad(net, lambda x: w.mx.square(net(x)).mean())
    out = []
    for _ in range(5):
        value, grads = loss(w.array(6, 3))
        opt.update(net, grads)
        out.append([value, opt.learning_rate])
    return {"losses": out, "params": net.parameters(), "state": list(opt.state)}


CASES["optimizer.model"] = update_model


def clipping(w):
    grads = {"a": w.array(3, 4), "b": [w.array(2, dtype="float16")]}
    clip = w.optim.clip_grad_norm
    sharded = w.nn.utils.clip_grad_norm_sharded
    return {
        "small": clip(grads, 1.0),
        "large": clip(grads, 1e3),
        "empty": clip({}, 1.0),
        "sharded": sharded({"a": grads["a"]}, 0.5),  # MLX turns half gradients into float32 there
        "average": w.nn.average_gradients(grads),
    }


CASES["optimizer.clip"] = clipping

SCHEDULES = {
    "exponential": lambda o: o.exponential_decay(0.1, 0.9),
    "step": lambda o: o.step_decay(0.1, 0.9, 4),
    "cosine": lambda o: o.cosine_decay(0.1, 10),
    "cosine.end": lambda o: o.cosine_decay(0.1, 10, 0.02),
    "linear": lambda o: o.linear_schedule(0.5, 0.1, 8),
    "join": lambda o: o.join_schedules(
        [o.linear_schedule(0, 0.1, 5), o.cosine_decay(0.1, 10), o.exponential_decay(0.05, 0.5)], [5, 12]
    ),
}


def schedules(w):
    return {
        name: [make(w.optim)(w.mx.array(step, w.mx.uint64)) for step in (0, 1, 4, 5, 8, 11, 12, 13, 100)]
        for name, make in SCHEDULES.items()
    }


CASES["schedule.values"] = schedules


def optimizer_errors(w):
    o, error = w.optim, w.error
    return [
        error(o.SGD, 0.1, nesterov=True),
        error(o.SGD, 0.1, momentum=0.9, dampening=0.1, nesterov=True),
        error(o.RMSprop, 0.1, alpha=-1),
        error(o.RMSprop, 0.1, eps=-1),
        error(o.Adagrad, 0.1, eps=-1),
        error(o.AdaDelta, 0.1, rho=-1),
        error(o.AdaDelta, 0.1, eps=-1),
        error(o.Adamax, 0.1, eps=-1),
        error(o.MultiOptimizer, [o.SGD(0.1)], [lambda p, g: True]),
        error(setattr, o.MultiOptimizer([o.SGD(0.1)]), "state", {"states": [{}, {}]}),
        error(o.Optimizer().init_single, 1, {}),
        error(o.Optimizer().apply_single, 1, 1, {}),
        error(lambda: o.Adafactor().learning_rate),
        error(o.Adam(0.1).apply_gradients, {"w": w.mx.ones(2)}, {}),
        error(o.join_schedules, [], []),
        error(o.join_schedules, [lambda s: s], [1]),
        error(o.linear_schedule, 0, 1, 0),
        error(o.cosine_decay, 0.1, -1),
        error(o.step_decay, 0.1, 0.9, 0),
        error(o.Adam, "x"),
    ]


CASES["optimizer.errors"] = optimizer_errors
