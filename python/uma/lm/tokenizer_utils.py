"""The tokenizer of a model file, with the members of a Hugging Face tokenizer that programs for mlx-lm use."""

import json

from uma.core import _lm


class StreamingDetokenizer:
    """Text of tokens as they come: ``add_token``, ``last_segment`` (what is new, whole characters), ``finalize``."""

    def __init__(self, vocabulary):
        self._vocabulary = vocabulary
        self.reset()

    def reset(self):
        self._engine = _lm.Detokenizer(self._vocabulary)
        self._parts, self._seen, self.tokens = [], 0, []

    def add_token(self, token):
        token = int(token)
        self._parts.append(self._engine.put(token))
        self.tokens.append(token)

    def finalize(self):
        """What is left of a broken character comes out as U+FFFD."""
        self._parts.append(self._engine.flush())

    @property
    def text(self) -> str:
        return "".join(self._parts)

    @property
    def last_segment(self) -> str:
        """The text since this was last read."""
        segment = "".join(self._parts[self._seen :])
        self._seen = len(self._parts)
        return segment


class TokenizerWrapper:
    """Text to ids and back, and conversations to prompts. Made by :func:`uma.lm.load`."""

    def __init__(self, engine, eos_token=None, chat_template=None):
        self._words = engine.vocabulary
        self.name_or_path = engine.path
        self.model_max_length = engine.config["max_position_embeddings"]
        self.vocab_size = self._words.size
        self.bos_token_id = self._words.bos if self._words.bos >= 0 else None
        self.eos_token_id = self._words.eos if self._words.eos >= 0 else None
        self.bos_token = None if self.bos_token_id is None else self._words.token_text(self._words.bos)
        self.eos_token = None if self.eos_token_id is None else self._words.token_text(self._words.eos)
        self._eos_token_ids = set(self._words.end_of_answer)
        self.chat_template = chat_template or self._words.chat_template or None
        self._ids, self._templates = None, {}
        if eos_token is not None:
            self.eos_token_id = self.convert_tokens_to_ids(eos_token)
            if self.eos_token_id is None:
                raise ValueError(f"eos_token: {eos_token!r} is no token of {self.name_or_path}")
            self.eos_token = eos_token
            self._eos_token_ids.add(self.eos_token_id)

    # -- text and ids

    def encode(self, text: str, add_special_tokens: bool = True) -> list:
        """Ids; special tokens spelled out in the text are taken as such."""
        if not isinstance(text, str):
            raise ValueError(f"encode takes a str, not {type(text).__name__}")
        return self._words.encode(text.encode("utf-8", "surrogatepass"), add_special_tokens)

    def decode(self, token_ids, skip_special_tokens: bool = False) -> str:
        ids = token_ids.tolist() if hasattr(token_ids, "tolist") else token_ids
        ids = [ids] if isinstance(ids, int) else [int(i) for i in ids]
        return self._words.decode(ids, not skip_special_tokens)

    def batch_decode(self, sequences, skip_special_tokens: bool = False) -> list:
        return [self.decode(ids, skip_special_tokens) for ids in sequences]

    def __call__(self, text, add_special_tokens: bool = True) -> dict:
        many = not isinstance(text, str)
        ids = [self.encode(t, add_special_tokens) for t in text] if many else self.encode(text, add_special_tokens)
        return {"input_ids": ids}

    def get_vocab(self) -> dict:
        """Token to id, tokens as the vocabulary spells them. Of a token that stands there twice the first counts."""
        if self._ids is None:
            ids = {}
            for i, token in enumerate(self._words.spellings()):
                ids.setdefault(token, i)
            self._ids = ids
        return dict(self._ids)

    def convert_tokens_to_ids(self, tokens):
        """None for what is no token."""
        self._ids or self.get_vocab()
        return self._ids.get(tokens) if isinstance(tokens, str) else [self._ids.get(t) for t in tokens]

    def convert_ids_to_tokens(self, ids):
        return self._words.spelling(ids) if isinstance(ids, int) else [self._words.spelling(int(i)) for i in ids]

    def __len__(self):
        return self.vocab_size

    # -- what ends an answer

    @property
    def eos_token_ids(self) -> set:
        """Each of them ends an answer."""
        return self._eos_token_ids

    @eos_token_ids.setter
    def eos_token_ids(self, ids):
        self._eos_token_ids = {ids} if isinstance(ids, int) else set(ids or ())

    def add_eos_token(self, token: str):
        """A token's text, or its id, that ends an answer from now on."""
        id = int(token) if str(token).isdecimal() else self.convert_tokens_to_ids(token)
        if id is None or id >= self.vocab_size:
            raise ValueError(f"{token!r} is no token of {self.name_or_path}")
        self._eos_token_ids.add(id)

    @property
    def detokenizer(self) -> StreamingDetokenizer:
        """A new one."""
        return StreamingDetokenizer(self._words)

    # -- conversations

    @property
    def has_chat_template(self) -> bool:
        return self.chat_template is not None

    def apply_chat_template(
        self,
        conversation,
        tools=None,
        documents=None,
        chat_template=None,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        tokenize: bool = True,
        return_dict: bool = False,
        **variables,
    ):
        """The prompt of a conversation, ``[{"role": ..., "content": ...}, ...]``: ids, or text without ``tokenize``.

        Further keywords are variables of the template. Raises ValueError: no template, a conversation that the
        template refuses, variables that JSON cannot hold.
        """
        source = chat_template or self.chat_template
        if source is None:
            raise ValueError(f"{self.name_or_path} has no chat template: it is a base model; pass text as the prompt")
        if continue_final_message and add_generation_prompt:
            raise ValueError("continue_final_message and add_generation_prompt exclude each other")
        values = {
            "messages": conversation,
            "add_generation_prompt": add_generation_prompt,
            "bos_token": self.bos_token or "",
            "eos_token": self.eos_token or "",
            **variables,
        }
        values.update({k: v for k, v in (("tools", tools), ("documents", documents)) if v is not None})
        try:
            packed = json.dumps(values)
        except (TypeError, ValueError) as e:
            raise ValueError(f"the conversation, its tools and variables must be what JSON can hold: {e}") from None
        text = self._template(source).render(packed)
        if continue_final_message:
            text = _up_to_last(text, conversation)
        if not tokenize:
            return text
        # a beginning of text that the template did not write is the tokenizer's to add, as `uma run` does
        ids = self.encode(text, not (self.bos_token and text.startswith(self.bos_token)))
        return {"input_ids": ids} if return_dict else ids

    def _template(self, source):
        if source not in self._templates:
            if not isinstance(source, str):
                raise ValueError(f"chat_template is Jinja source, not {type(source).__name__}")
            self._templates[source] = _lm.ChatTemplate(source.encode("utf-8", "surrogatepass"))
        return self._templates[source]


def _up_to_last(text, conversation):
    """The text up to the end of the last message."""
    last = conversation[-1]["content"].strip() if conversation else ""
    at = text.rfind(last)
    if not last or at < 0:
        raise ValueError("continue_final_message: the template does not show the last message as it is")
    return text[: at + len(last)]
