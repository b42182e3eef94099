"""Language models on uma's engine, with the names and arguments of mlx-lm.

    from uma.lm import load, generate

    model, tokenizer = load("qwen2.5-coder:0.5b")
    print(generate(model, tokenizer, prompt="Explain zero-copy memory", max_tokens=512, temp=0.7))

A model is a name of the catalogue (fetched once), the name of a model that was pulled, or a ``.gguf`` file. Weights
stay in the mapped file. ``python -m uma.mlx --lm SCRIPT`` gives a program all this under the name ``mlx_lm``.
"""

from uma.lm.generate import BatchResponse, GenerationResponse, batch_generate, generate, stream_generate
from uma.lm.utils import load

__all__ = ["BatchResponse", "GenerationResponse", "batch_generate", "generate", "load", "stream_generate"]
