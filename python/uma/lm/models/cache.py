"""Prompt caches: what a model has read, kept between calls."""

from uma.core import _lm


class KVCache:
    """The keys and values of all layers, for one sequence, or for the rows of a batch that are read together.

    The token that a generation ended with has been chosen and not been read. It is kept and read with whatever comes
    next, so a cache stands where it would if it had been.
    """

    def __init__(self, engine: "_lm.Model"):
        self._engine = engine
        self._rows = [engine.make_sequence()]

    @property
    def offset(self) -> int:
        """Tokens it stands for: the position of the next one."""
        return self._rows[0].size

    def size(self) -> int:
        return self.offset

    def empty(self) -> bool:
        return self.offset == 0

    @property
    def nbytes(self) -> int:
        return sum(row.nbytes for row in self._rows)

    @property
    def state(self) -> list:
        """The arrays behind it, for ``mx.eval``."""
        return [a for row in self._rows for a in row.arrays]

    def is_trimmable(self) -> bool:
        return True

    def trim(self, n: int) -> int:
        """Forget the last ``n`` tokens, all if it holds fewer; returns how many it forgot."""
        if n < 0:
            raise ValueError(f"cannot forget {n} tokens")
        n = min(n, self.offset)
        for row in self._rows:
            row.truncate(row.size - n)
        return n

    def __copy__(self):
        copy = KVCache.__new__(KVCache)
        copy._engine = self._engine
        copy._rows = [row.clone() for row in self._rows]
        return copy

    def __deepcopy__(self, memo):
        return self.__copy__()

    def __repr__(self):
        return f"KVCache({self.offset} tokens)"


def make_prompt_cache(model, max_kv_size=None) -> list:
    """A cache for ``prompt_cache=`` and for ``model(tokens, cache=)``: a list that holds one :class:`KVCache` of all
    layers. Nothing is ever overwritten, so ``max_kv_size`` is refused here: give it to the generation as a limit."""
    if max_kv_size is not None:
        raise ValueError("a cache here never drops old tokens: max_kv_size is an argument of generate, as a limit")
    return model.make_cache()


def of(cache) -> KVCache:
    """The cache in what a caller gave as one."""
    found = cache[0] if isinstance(cache, (list, tuple)) and len(cache) == 1 else cache
    if not isinstance(found, KVCache):
        raise ValueError(f"a cache is what make_prompt_cache(model) gives, not {_named(cache)}")
    return found


def _named(value):
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{type(value).__name__}"


def can_trim_prompt_cache(cache) -> bool:
    return all(c.is_trimmable() for c in cache)


def trim_prompt_cache(cache, num_tokens: int) -> int:
    """Forget the last tokens of a cache; returns how many it forgot."""
    return [c.trim(num_tokens) for c in cache][0] if len(cache) else 0
