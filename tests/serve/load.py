#!/usr/bin/env python3
"""Many streams at once against a running server: tokens per second in all, waiting times, fairness.

    build/uma serve &
    bench/serve_load.py --model qwen2.5-coder:0.5b --streams 32 --tokens 64
    build/uma bench qwen2.5-coder:0.5b --batch 32 --gen 64     # what the engine gives without a server

Python's standard library only. Prints one JSON document.
"""
import argparse
import asyncio
import json
import time


async def stream(args, number):
    """One answer: seconds to the first piece and to the end, and its tokens."""
    body = json.dumps({
        "model": args.model, "prompt": f"{number} " + "word " * args.prompt, "raw": True,
        "options": {"temperature": 1, "seed": number, "num_predict": args.tokens}}).encode()
    start = time.perf_counter()
    reader, writer = await asyncio.open_connection(args.host, args.port, limit=1 << 20)
    head = f"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    first, last = None, None
    while True:
        line = await reader.readline()
        if not line:
            raise RuntimeError(f"stream {number} broke off; the last line was {last}")
        if not line.startswith(b"{"):
            continue
        last = json.loads(line)
        if "error" in last:
            raise RuntimeError(last["error"])
        first = first or time.perf_counter() - start
        if last["done"]:
            break
    writer.close()
    return first, time.perf_counter() - start, last["eval_count"]


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=11434)
    parser.add_argument("--model", required=True)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64, help="of each answer, at most")
    parser.add_argument("--prompt", type=int, default=8, help="words of each prompt")
    args = parser.parse_args()
    start = time.perf_counter()
    results = await asyncio.gather(*(stream(args, i) for i in range(args.streams)))
    seconds = time.perf_counter() - start
    firsts = sorted(r[0] for r in results)
    rates = sorted(tokens / total for _, total, tokens in results if tokens)
    tokens = sum(r[2] for r in results)
    print(json.dumps({
        "streams": len(results), "tokens": tokens, "seconds": round(seconds, 3),
        "tok_s": round(tokens / seconds, 2),
        "tok_s_after_prompts": round(tokens / (seconds - firsts[0]), 2),
        "first_token_s": {"p50": round(firsts[len(firsts) // 2], 3), "p99": round(firsts[int(len(firsts) * 0.99)], 3)},
        "slowest_to_fastest": round(rates[-1] / rates[0], 2)}))


asyncio.run(main())
