"""Losses: values, reductions, gradients, errors."""

CASES = {}


def loss(name, inputs, options=({},)):
    def case(w):
        fn = getattr(w.nn.losses, name)
        xs = inputs(w)
        out = {"default": fn(*xs)}
        for i, kw in enumerate(options):
            smooth = kw.get("beta") != 0  # there MLX divides by beta
            for reduction in ("none", "mean", "sum"):
                out[f"{i}.{reduction}"] = fn(*xs, **kw, reduction=reduction)
            if smooth:
                out[f"{i}.grad"] = w.mx.grad(lambda x: fn(x, *xs[1:], **kw, reduction="sum"))(xs[0])
        return out

    CASES[f"loss.{name}" + ("" if f"loss.{name}" not in CASES else f".{len(CASES)}")] = case


def pair(w):
    return w.array(3, 5, seed=1), w.array(3, 5, seed=2)


def log_probabilities(w):
    return tuple(x - w.mx.logsumexp(x, axis=-1, keepdims=True) for x in pair(w))


def probabilities(w):
    return w.array(3, 5, seed=1, low=0.05, scale=0.9), (w.array(3, 5, seed=2) > 0).astype(w.mx.float32)


loss(
    "cross_entropy",
    lambda w: (w.array(3, 5, seed=1), w.ints(3, high=5)),
    ({}, {"label_smoothing": 0.2}),
)
loss(
    "cross_entropy",
    lambda w: (w.array(3, 5, seed=1), w.mx.softmax(w.array(3, 5, seed=2), axis=-1)),
    ({}, {"label_smoothing": 0.3}),
)
loss("binary_cross_entropy", lambda w: (w.array(3, 5, seed=1, scale=20.0), probabilities(w)[1], w.array(3, 5, seed=3)))
loss("binary_cross_entropy", probabilities, ({"with_logits": False},))
loss("l1_loss", pair)
loss("mse_loss", pair)
loss("nll_loss", lambda w: (w.array(3, 5), w.ints(3, high=5)))
loss("gaussian_nll_loss", lambda w: (*pair(w), w.array(3, 5, low=0.0, scale=2.0)), ({}, {"full": True, "eps": 0.5}))
loss("kl_div_loss", log_probabilities, ({}, {"axis": 0}))
loss("smooth_l1_loss", pair, ({}, {"beta": 0.5}, {"beta": 0}))
loss("triplet_loss", lambda w: (*pair(w), w.array(3, 5, seed=3)), ({}, {"p": 3, "margin": 0.5, "axis": 0}))
loss("hinge_loss", lambda w: (w.array(3, 5), w.mx.sign(w.array(3, 5, seed=2))))
loss("huber_loss", pair, ({}, {"delta": 0.4}))
loss("log_cosh_loss", lambda w: (w.array(3, 5, seed=1, scale=100.0), w.array(3, 5, seed=2)))
loss("cosine_similarity_loss", pair, ({}, {"axis": 0, "eps": 10.0}))
loss("margin_ranking_loss", lambda w: (*pair(w), w.mx.sign(w.array(3, 5, seed=3))), ({}, {"margin": 0.3}))


def cross_entropy_axis(w):
    logits, targets = w.array(3, 5, 2, seed=1), w.ints(3, 2, high=5)
    return [
        w.nn.losses.cross_entropy(logits, targets, axis=1),
        w.nn.losses.cross_entropy(logits, targets, weights=w.array(3, 2), axis=1, reduction="mean"),
        w.nn.losses.nll_loss(logits, targets, axis=1),
        w.nn.losses.cross_entropy(logits.astype(w.mx.float16), targets, axis=1),
    ]


CASES["loss.axis"] = cross_entropy_axis


def loss_errors(w):
    one, losses, error = w.mx.ones, w.nn.losses, w.error
    index = w.mx.array([0, 1])
    return [
        error(losses.cross_entropy, one((2, 3)), index, weights=one(3)),
        error(losses.cross_entropy, one((2, 3)), index, label_smoothing=1.0),
        error(losses.cross_entropy, one((2, 3)), w.mx.array([0, 1, 2])),
        error(losses.cross_entropy, one((2, 3)), index, reduction="x"),
        error(losses.binary_cross_entropy, one(2), one(3)),
        error(losses.binary_cross_entropy, one(2), one(2), weights=one(3)),
        error(losses.l1_loss, one(2), one(3)),
        error(losses.mse_loss, one(2), one((2, 1))),
        error(losses.gaussian_nll_loss, one(2), one(3), one(2)),
        error(losses.gaussian_nll_loss, one(2), one(2), one(3)),
        error(losses.smooth_l1_loss, one(2), one(3)),
        error(losses.margin_ranking_loss, one((2, 3)), one((2, 3)), one(2)),
        error(losses.huber_loss, one((2, 3)), one(2)),
    ]


CASES["loss.errors"] = loss_errors
