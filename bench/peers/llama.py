"""llama.cpp's speed for one GGUF file, by the Python package llama-cpp-python; one JSON line.

    python llama.py MODEL.gguf [--prompt 512] [--gen 64] [--depth 0] [--batch 1] [--threads N] [--repack 0|1]

Its two ways of holding weights (as in the file, or repacked at load) are measured by two runs of this program.
"""
import argparse
import ctypes
import json
import os
import resource
import time

import llama_cpp as llama


class Peer:
    def __init__(self, options):
        # Kept: llama.cpp holds a pointer to it.
        self.quiet = llama.llama_log_callback(lambda level, text, data: None)
        llama.llama_log_set(self.quiet, ctypes.c_void_p(0))
        llama.llama_backend_init()
        how = llama.llama_model_default_params()
        how.use_extra_bufts = bool(options.repack)
        start = time.perf_counter()
        self.model = llama.llama_model_load_from_file(options.model.encode(), how)
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {options.model}")
        self.load_s = time.perf_counter() - start
        context = llama.llama_context_default_params()
        context.n_ctx = (options.depth + max(options.prompt, options.gen) + 32) * options.batch
        context.n_batch, context.n_ubatch, context.n_seq_max = 2048, 512, options.batch
        context.n_threads = context.n_threads_batch = options.threads
        self.context = llama.llama_init_from_model(self.model, context)
        self.vocab_size = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.drawn = 7

    def token(self):
        self.drawn = (self.drawn * 48271) % 2147483647
        return 16 + self.drawn % (self.vocab_size - 32)

    def run(self, rows):
        """rows: (position, sequence) pairs; each sequence's last row gives logits."""
        last = {sequence: i for i, (_, sequence) in enumerate(rows)}
        batch = llama.llama_batch_init(len(rows), 0, 1)
        batch.n_tokens = len(rows)
        for i, (position, sequence) in enumerate(rows):
            batch.token[i], batch.pos[i] = self.token(), position
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
            batch.logits[i] = last[sequence] == i
        status = llama.llama_decode(self.context, batch)
        llama.llama_synchronize(self.context)
        llama.llama_batch_free(batch)
        if status:
            raise SystemExit(f"llama_decode failed with {status}")

    def read(self, tokens, sequence=0):
        for at in range(0, tokens, 512):
            self.run([(p, sequence) for p in range(at, min(tokens, at + 512))])

    def forget(self):
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    for name, value in (("prompt", 512), ("gen", 64), ("depth", 0), ("batch", 1), ("repack", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    peer = Peer(options)
    peer.read(32)
    peer.forget()
    start = time.perf_counter()
    peer.read(options.prompt)
    prefill_s = time.perf_counter() - start
    peer.forget()
    depth = max(1, options.depth)
    for sequence in range(options.batch):
        peer.read(depth, sequence)
    start = time.perf_counter()
    for step in range(options.gen):
        peer.run([(depth + step, sequence) for sequence in range(options.batch)])
    decode_s = time.perf_counter() - start
    print(
        json.dumps(
            {
                "load_s": peer.load_s,
                "prefill_tok_s": options.prompt / prefill_s,
                "decode_tok_s": options.gen * options.batch / decode_s,
                "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
