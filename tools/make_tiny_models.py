#!/usr/bin/env python3
"""Makes the small random models of tests/golden/models, and what transformers says they answer.

Each architecture that uma reads gets a model of a few layers with random weights: `NAME.gguf`, and
`NAME.golden`, logits of a plain float32 forward pass by transformers on the very weights of the file.

    python tools/make_tiny_models.py tests/golden/models [--check]

needs torch, transformers, gguf, numpy; --check reads the files with llama-cpp-python as well and prints how
far its logits are away. The golden file is little-endian: int32 tokens, rows, vocabulary; the tokens; the
row numbers; then float32 (rows, vocabulary).
"""
import argparse
import pathlib
import struct

import gguf
import numpy as np
import torch
import transformers as tf

HIDDEN, HEAD_DIM, TOKENS = 32, 16, 40
ROWS = [0, 1, 7, 18, 31, 39]
Q = gguf.GGMLQuantizationType


def byte_characters():
    """GPT-2's printable stand-in for each byte."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in shown]
    table = {b: chr(b) for b in shown}
    table.update({b: chr(256 + i) for i, b in enumerate(hidden)})
    return [table[b] for b in range(256)]


def vocabulary():
    tokens = byte_characters()
    space = tokens[ord(" ")]
    pairs = ["t h", "th e", f"{space} a", f"{space} t", "i n", "e r", "o n", "r e", "a n", "an d", "o u", "i t",
             f"{space} the", f"{space} w", f"{space} s", "e n", "e s", "o r", "in g", "a t", "l l", "e d",
             f"{space} o", f"{space} c", f"{space} b", f"{space} p", "i s", f"{space} and", "o f", "h e"]
    tokens = tokens + [p.replace(" ", "") for p in pairs]
    tokens += ["<|endoftext|>", "<|end|>"]
    kinds = [gguf.TokenType.NORMAL] * (len(tokens) - 2) + [gguf.TokenType.CONTROL] * 2
    return tokens, pairs, kinds


def config_of(cls, **more):
    more = {"head_dim": HEAD_DIM, **more}
    return cls(vocab_size=len(vocabulary()[0]), hidden_size=HIDDEN, intermediate_size=64, num_attention_heads=4,
               num_key_value_heads=2, max_position_embeddings=256, rms_norm_eps=1e-5,
               bos_token_id=286, eos_token_id=287, pad_token_id=None, attn_implementation="eager", **more)


def rope(kind="default", theta=10000.0, **more):
    return {"rope_type": kind, "rope_theta": theta, **more}


def cases():
    """name -> (config, GGUF architecture, format of the matrices)"""
    llama3 = rope("llama3", 500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=32)
    yarn = rope("yarn", 10000.0, factor=4.0, original_max_position_embeddings=64)
    global_rope = {"full_attention": rope("linear", 1000000.0, factor=8.0), "sliding_attention": rope()}
    two = dict(num_hidden_layers=2)
    return {
        "llama": (config_of(tf.LlamaConfig, rope_parameters=rope("linear", factor=4.0), **two), "llama", Q.Q4_0),
        "llama3": (config_of(tf.LlamaConfig, rope_parameters=llama3, tie_word_embeddings=True, **two), "llama",
                   Q.F16),
        "mistral": (config_of(tf.MistralConfig, sliding_window=16, rope_parameters=rope(), **two), "llama", Q.BF16),
        "qwen2": (config_of(tf.Qwen2Config, rope_parameters=rope(theta=1000000.0), use_sliding_window=False,
                            head_dim=HIDDEN // 4, **two), "qwen2", Q.F16),
        "qwen2_yarn": (config_of(tf.Qwen2Config, rope_parameters=yarn, tie_word_embeddings=True,
                                 head_dim=HIDDEN // 4, **two), "qwen2", Q.Q5_0),
        "qwen3": (config_of(tf.Qwen3Config, rope_parameters=rope(theta=1000000.0), tie_word_embeddings=True, **two),
                  "qwen3", Q.Q8_0),
        "gemma2": (config_of(tf.Gemma2Config, rope_parameters=rope(), sliding_window=16, attn_logit_softcapping=5.0,
                             final_logit_softcapping=3.0, query_pre_attn_scalar=HEAD_DIM, num_hidden_layers=3),
                   "gemma2", Q.F16),
        "gemma3": (config_of(tf.Gemma3TextConfig, rope_parameters=global_rope, sliding_window=16,
                             query_pre_attn_scalar=HEAD_DIM, num_hidden_layers=7), "gemma3", Q.Q8_0),
    }


def random_weights(model, seed):
    """Weights large enough that attention is not flat and logits differ."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, weight in model.state_dict().items():
        noise = torch.randn(weight.shape, generator=generator)
        if name.endswith("bias"):
            state[name] = noise * 0.5
        elif weight.ndim == 1:  # norms; Gemma's are stored less one
            state[name] = noise * 0.2 + (0.0 if "Gemma" in type(model).__name__ else 1.0)
        else:
            state[name] = noise * (1.5 / weight.shape[-1] ** 0.5 if "embed" not in name else 1.0)
    return state


def round_to(weight, kind):
    """(bytes in the file's format, the values they stand for)"""
    data = gguf.quants.quantize(weight.numpy().astype(np.float32), kind)
    return data, torch.from_numpy(gguf.quants.dequantize(data, kind).copy())


def interleave(weight, heads):
    """Halves side by side become pairs: how GGUF's llama stores what turns with rope."""
    rows = weight.shape[0]
    return weight.reshape(heads, 2, rows // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}
GEMMA_NAMES = NAMES | {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
                       "post_feedforward_layernorm": "post_ffw_norm"}


def gguf_name(name, arch):
    name, kind = name.removeprefix("model.").rsplit(".", 1)
    if not name.startswith("layers."):
        return {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}[name] + "." + kind
    _, layer, part = name.split(".", 2)
    return f"blk.{layer}.{(GEMMA_NAMES if arch.startswith('gemma') else NAMES)[part]}.{kind}"


def llama3_factors(parameters):
    base = 1.0 / parameters["rope_theta"] ** (np.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    lengths = 2 * np.pi / base
    old, low, high = (parameters[k] for k in ("original_max_position_embeddings", "low_freq_factor",
                                              "high_freq_factor"))
    smooth = np.clip((old / lengths - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / parameters["factor"] + smooth)).astype(np.float32)


def write_header(w, arch, c):
    w.add_context_length(c.max_position_embeddings)
    w.add_block_count(c.num_hidden_layers)
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads)
    if arch != "qwen2":  # whose heads always share out the hidden size
        w.add_key_length(c.head_dim)
        w.add_value_length(c.head_dim)
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    r = c.rope_parameters.get("full_attention", c.rope_parameters)
    w.add_rope_freq_base(r["rope_theta"])
    if arch == "llama":
        w.add_rope_dimension_count(c.head_dim)
        w.add_vocab_size(c.vocab_size)
    if r["rope_type"] in ("linear", "yarn"):
        w.add_rope_scaling_type(gguf.RopeScalingType(r["rope_type"]))
        w.add_rope_scaling_factor(r["factor"])
    if r["rope_type"] == "yarn":
        w.add_rope_scaling_orig_ctx_len(r["original_max_position_embeddings"])
    if getattr(c, "sliding_window", None):
        w.add_sliding_window(c.sliding_window)
    if arch == "gemma2":
        w.add_attn_logit_softcapping(c.attn_logit_softcapping)
        w.add_final_logit_softcapping(c.final_logit_softcapping)


def write_vocabulary(w):
    tokens, merges, kinds = vocabulary()
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(tokens)
    w.add_token_types(kinds)
    w.add_token_merges(merges)
    w.add_bos_token_id(286)
    w.add_eos_token_id(287)
    w.add_add_bos_token(False)


def make(folder, name, config, arch, kind, seed):
    model = tf.AutoModelForCausalLM.from_config(config).eval().float()
    state = random_weights(model, seed)
    writer = gguf.GGUFWriter(folder / f"{name}.gguf", arch)
    writer.add_name(f"tiny random {name}")
    write_header(writer, arch, config)
    write_vocabulary(writer)
    for hf_name, weight in list(state.items()):
        if hf_name == "lm_head.weight" and config.tie_word_embeddings:
            state[hf_name] = state["model.embed_tokens.weight"]
            continue
        target = gguf_name(hf_name, arch)
        if weight.ndim == 2:
            heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
            part = target.split(".")[-2]
            _, state[hf_name] = round_to(weight, kind)
            stored = interleave(state[hf_name], heads[part]) if arch == "llama" and part in heads else state[hf_name]
            data, _ = round_to(stored, kind)
            writer.add_tensor(target, data, raw_dtype=kind)
        else:
            stored = weight + 1 if arch.startswith("gemma") else weight
            if arch.startswith("gemma"):
                state[hf_name] = stored - 1
            writer.add_tensor(target, stored.numpy().astype(np.float32))
    parameters = config.rope_parameters
    if parameters.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(parameters))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    model.load_state_dict(state)
    tokens = torch.randint(0, 256, (1, TOKENS), generator=torch.Generator().manual_seed(seed + 1000))
    with torch.no_grad():
        logits = model(tokens).logits[0].float().numpy()
    with open(folder / f"{name}.golden", "wb") as out:
        out.write(struct.pack("<3i", TOKENS, len(ROWS), logits.shape[1]))
        out.write(tokens.numpy().astype("<i4").tobytes())
        out.write(np.array(ROWS, "<i4").tobytes())
        out.write(logits[ROWS].astype("<f4").tobytes())
    return tokens[0].tolist(), logits


def check_with_llama_cpp(path, tokens, logits):
    import llama_cpp
    llm = llama_cpp.Llama(str(path), n_ctx=64, logits_all=True, verbose=False, n_threads=1, flash_attn=False)
    llm.eval(tokens)
    away = np.abs(llm.scores[:len(tokens)] - logits).max(axis=1)
    print(f"{path.name}: llama.cpp is at most {away[:16].max():.2g} away in 16 tokens, {away.max():.2g} in all; "
          f"logits reach {np.abs(logits).max():.3g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, (config, arch, kind)) in enumerate(cases().items()):
        tokens, logits = make(args.folder, name, config, arch, kind, seed)
        print(name, (args.folder / f"{name}.gguf").stat().st_size, "bytes")
        if args.check:
            check_with_llama_cpp(args.folder / f"{name}.gguf", tokens, logits)


if __name__ == "__main__":
    main()
