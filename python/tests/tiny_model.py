"""Folders with small random models and a tokenizer, as mlx-lm reads them; needs numpy and tokenizers."""

import json
import struct

import numpy as np

WORDS = "the cat sat on a mat and saw one black dog run over hills while rain fell upon quiet green fields".split()

#: what differs between the architectures; sizes allow groups of 32 and 64 everywhere
CONFIGS = {
    "qwen2": {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "tie_word_embeddings": True},
    "llama": {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "tie_word_embeddings": False},
}
COMMON = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "intermediate_size": 256,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "max_position_embeddings": 512,
    "eos_token_id": 0,
    "bos_token_id": 0,
    "torch_dtype": "float32",
}


def write_safetensors(path, arrays):
    """float32 arrays in the order of their names."""
    header, offset = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(array.astype("<f4").tobytes())


def weights(config, seed):
    rng = np.random.default_rng(seed)
    dims, inner, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    kv = dims // config["num_attention_heads"] * config["num_key_value_heads"]

    def matrix(rows, cols):
        # wide enough that the logits differ by more than rounding: greedy tokens are then the same everywhere
        return (rng.standard_normal((rows, cols)) * 1.5 / np.sqrt(cols)).astype(np.float32)

    arrays = {"model.embed_tokens.weight": matrix(vocab, dims), "model.norm.weight": np.ones(dims, np.float32)}
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}."
        for name, rows in (("q_proj", dims), ("k_proj", kv), ("v_proj", kv)):
            arrays[f"{at}self_attn.{name}.weight"] = matrix(rows, dims)
            if config["model_type"] == "qwen2":
                arrays[f"{at}self_attn.{name}.bias"] = matrix(1, rows)[0]
        arrays[f"{at}self_attn.o_proj.weight"] = matrix(dims, dims)
        arrays[f"{at}mlp.gate_proj.weight"] = matrix(inner, dims)
        arrays[f"{at}mlp.up_proj.weight"] = matrix(inner, dims)
        arrays[f"{at}mlp.down_proj.weight"] = matrix(dims, inner)
        for name in ("input_layernorm", "post_attention_layernorm"):
            arrays[f"{at}{name}.weight"] = np.ones(dims, np.float32)
    if not config["tie_word_embeddings"]:
        arrays["lm_head.weight"] = matrix(vocab, dims)
    return arrays


def write_tokenizer(folder):
    """A byte-level BPE of a small text; returns the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 4, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end|>", "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return tokenizer.get_vocab_size()


def make(folder, kind="qwen2", seed=0):
    """Write a model folder and return it."""
    folder.mkdir(parents=True)
    size = write_tokenizer(folder)
    # a multiple of 64, as real models have
    config = {**COMMON, **CONFIGS[kind], "vocab_size": (size + 63) // 64 * 64}
    (folder / "config.json").write_text(json.dumps(config))
    write_safetensors(folder / "model.safetensors", weights(config, seed))
    return folder


def make_data(folder, lines=40, seed=0):
    """train.jsonl, valid.jsonl and test.jsonl with sentences that can be learnt."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for name in ("train", "valid", "test"):
        texts = []
        for _ in range(lines):
            start = int(rng.integers(0, len(WORDS) - 8))
            texts.append(json.dumps({"text": " ".join(WORDS[start : start + 8])}))
        (folder / f"{name}.jsonl").write_text("\n".join(texts) + "\n")
    return folder
