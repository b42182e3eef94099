"""A language model that the engine runs."""

import uma.core as mx
from uma.core import _lm
from uma.lm.models import cache as caches


class Model:
    """``model(tokens, cache=None)`` gives the logits of every token as :func:`uma.lm.load`'s model does in mlx-lm.

    Weights are blocks of the mapped file, not arrays: there are no ``parameters()`` and nothing to train. Any number of
    threads may use one model, each with a cache of its own.
    """

    def __init__(self, engine: "_lm.Model"):
        self._engine = engine
        self.path = engine.path
        self.config = engine.config
        self.model_type = self.config["model_type"]

    @property
    def context(self) -> int:
        """Tokens the model was made for; positions beyond were never trained."""
        return self.config["max_position_embeddings"]

    def make_cache(self) -> list:
        return [caches.KVCache(self._engine)]

    def __call__(self, inputs, cache=None) -> mx.array:
        """Logits (B, T, vocabulary), float32, of tokens (B, T); row t scores the token after t. Computed when read.

        The rows of a batch are read together. ``cache`` holds what came before and grows; without one the tokens are
        the whole text. Raises ValueError: another shape or dtype, a token outside the vocabulary, a text longer than
        the model's context.
        """
        tokens = inputs if isinstance(inputs, mx.array) else mx.array(inputs)
        if tokens.ndim != 2 or tokens.size == 0 or not mx.issubdtype(tokens.dtype, mx.integer):
            raise ValueError(f"the model takes integer tokens (batch, length), not {tokens.dtype} of {tokens.shape}")
        rows = tokens.tolist()
        batch, length = tokens.shape
        held = caches.of(cache) if cache is not None else caches.KVCache(self._engine)
        if held.empty():
            held._rows = [self._engine.make_sequence() for _ in range(batch)]
        if len(held._rows) != batch:
            raise ValueError(f"the cache holds {len(held._rows)} sequences, the tokens are {batch}")
        if held.offset + length > self.context:
            raise ValueError(f"{held.offset} + {length} tokens are over the model's context of {self.context}")
        logits = self._engine.forward(list(zip(rows, held._rows)), "all", True)
        # rows of a token that the cache kept for later come first
        return logits.reshape(batch, -1, logits.shape[-1])[:, -length:]

    def read(self, work, rows="last") -> mx.array:
        """Computes the tokens of [(tokens, KVCache)], each behind what its cache holds."""
        return self._engine.forward([(tokens, cache._rows[0]) for tokens, cache in work], rows)

    def __repr__(self):
        c = self.config
        return f"Model({c['model_type']}, {c['num_hidden_layers']} layers, {self.path!r})"
