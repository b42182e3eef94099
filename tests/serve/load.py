#!/usr/bin/env python3
"""Many people at once: streams that all end, how far the slowest is behind the fastest, waiting times, memory.

    tests/serve/load.py --model qwen2.5-coder:0.5b --streams 200 --idle 1000     # starts build/uma on a free port
    tests/serve/load.py --model NAME --url http://127.0.0.1:11434 --streams 32   # asks a server that runs
    build/uma bench qwen2.5-coder:0.5b --batch 32 --gen 64                       # what the engine gives without one

Prints one JSON document; ends with 1 and a sentence for each limit that did not hold. Python's standard library only.
"""
import argparse
import asyncio
import contextlib
import json
import resource
import sys
import time

from served import Served
from wire import Connection, request, resident_bytes


async def stream(args, number):
    """One answer: seconds to the first piece and to the end, and its tokens."""
    body = {"model": args.model, "prompt": f"{number} " + "word " * args.prompt, "raw": True,
            "options": {"temperature": 1, "seed": number, "num_predict": args.tokens}}
    start, first, last = time.perf_counter(), None, b""
    async with Connection(args.url) as c:
        await c.send(request("POST", "/api/generate", body))
        status, headers = await c.head()
        async for piece in c.pieces(headers):
            first = first or time.perf_counter() - start
            last = piece
    end = json.loads(last.rstrip(b"\n").split(b"\n")[-1])
    if status != 200 or not end.get("done"):
        raise SystemExit(f"stream {number} did not end: {status} {last[-200:]!r}")
    return first, time.perf_counter() - start, end["eval_count"]


async def streams(args):
    start = time.perf_counter()
    results = await asyncio.gather(*(stream(args, i) for i in range(args.streams)))
    seconds = time.perf_counter() - start
    firsts = sorted(r[0] for r in results)
    longest = max(r[2] for r in results)  # those whose model ended earlier paid as much for their prompt
    rates = sorted(tokens / total for _, total, tokens in results if tokens == longest)
    tokens = sum(r[2] for r in results)
    part = lambda p: round(firsts[min(int(len(firsts) * p), len(firsts) - 1)], 3)
    return {"streams": len(results), "tokens": tokens, "seconds": round(seconds, 3),
            "tok_s": round(tokens / seconds, 2), "tok_s_after_prompts": round(tokens / (seconds - firsts[0]), 2),
            "first_token_s": {"p50": part(0.5), "p99": part(0.99)},
            "person_tok_s": {"of": len(rates), "slowest": round(rates[0], 3), "fastest": round(rates[-1], 3)},
            "fastest_to_slowest": round(rates[-1] / rates[0], 2)}


async def idle_connections(args, pid):
    """Bytes that connections take which have asked once and stay."""
    before = resident_bytes(pid)[0]
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(args.idle):
            c = await stack.enter_async_context(Connection(args.url))
            await c.send(request("GET", "/health"))
            status, headers = await c.head()
            async for _ in c.pieces(headers):
                pass
            if status != 200:
                raise SystemExit(f"/health answers {status}")
        return resident_bytes(pid)[0] - before


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="m", help="a name that the server knows; m: the tests' own")
    parser.add_argument("--url", help="of a server that runs; none: one is started")
    parser.add_argument("--pid", type=int, help="of that server, for its memory")
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64, help="of each answer, at most")
    parser.add_argument("--prompt", type=int, default=8, help="words of each prompt")
    parser.add_argument("--idle", type=int, default=0, help="idle connections, before the streams")
    parser.add_argument("--max-ratio", type=float, default=3, help="of the fastest person's speed to the slowest's")
    parser.add_argument("--max-rss-mb", type=float, help="of the server, at its peak")
    parser.add_argument("--max-idle-mb", type=float, default=50)
    return parser.parse_args()


def main():
    args = parse()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    served = None
    if not args.url:
        served = Served(own_home=args.model == "m")
        args.url, args.pid = served.url, served.process.pid
    try:
        report = {}
        asyncio.run(stream(args, 0))  # loads the model
        if args.idle and args.pid:
            report["idle"] = {"connections": args.idle,
                              "mb": round(asyncio.run(idle_connections(args, args.pid)) / 1e6, 1)}
        report |= asyncio.run(streams(args))
        if args.pid:
            report["rss_mb"] = dict(zip(("now", "peak"), (round(b / 1e6) for b in resident_bytes(args.pid))))
    finally:
        if served:
            served.stop()
    print(json.dumps(report))
    limits = [("the fastest person to the slowest", report["fastest_to_slowest"], args.max_ratio),
              ("MB of idle connections", report.get("idle", {}).get("mb"), args.max_idle_mb),
              ("MB of memory", report.get("rss_mb", {}).get("peak"), args.max_rss_mb)]
    broken = [f"{name}: {value} is over {limit}" for name, value, limit in limits
              if value is not None and limit is not None and value > limit]
    sys.exit("\n".join(broken) or 0)


if __name__ == "__main__":
    main()
