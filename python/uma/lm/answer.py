"""An answer as it grows: its text, and why it ends."""

from uma.core import _lm


def stop_strings(stop) -> list:
    found = [] if stop is None else [stop] if isinstance(stop, str) else list(stop)
    for text in found:
        if not isinstance(text, str):
            raise ValueError(f"stop is a string or several, not {type(text).__name__}")
    _lm.StopMatcher(found)  # refuses empty ones
    return found


class Answer:
    """Takes tokens and gives text. ``finish_reason`` is mlx-lm's ("stop", "length"), ``stop_reason`` the engine's:
    "eos", "stop" (a stop string), "length" (max_tokens), "context" (it is full); both None while the answer goes on."""

    def __init__(self, tokenizer, stop, max_tokens, room):
        self._ends = tokenizer.eos_token_ids
        self._detokenizer = tokenizer.detokenizer
        self._stops = _lm.StopMatcher(stop) if stop else None
        limited = 0 <= max_tokens <= room
        self._limit, self._limit_reason = (max_tokens, "length") if limited else (room, "context")
        self.tokens = []  # without the one that ended it
        self.finish_reason = self.stop_reason = None

    def put(self, token) -> str:
        """The text that is certain now: what may begin a stop string, or a character, is held back."""
        if token in self._ends:
            return self._end("stop", "eos")
        self.tokens.append(token)
        self._detokenizer.add_token(token)
        text = self._until_stop(self._detokenizer.last_segment)
        if self._stopped():
            self.finish_reason, self.stop_reason = "stop", "stop"
        elif len(self.tokens) >= self._limit:
            text += self._end("length", self._limit_reason)
        return text

    def _end(self, finish_reason, stop_reason):
        self._detokenizer.finalize()
        text = self._until_stop(self._detokenizer.last_segment)
        if self._stopped():
            finish_reason = stop_reason = "stop"
        elif self._stops:
            text += self._stops.flush()
        self.finish_reason, self.stop_reason = finish_reason, stop_reason
        return text

    def _until_stop(self, text):
        return self._stops.put(text) if self._stops else text

    def _stopped(self):
        return self._stops is not None and self._stops.matched is not None
