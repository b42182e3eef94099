#!/usr/bin/env python3
"""Random traffic: many clients at once that ask well, ask badly, leave, read slowly and send what is no HTTP.

    tests/serve/traffic.py --minutes 60 --seed 1 http://127.0.0.1:11434 --model NAME [--pid PID --max-rss-mb 4000]

Every answer must be a proper HTTP answer of a status that the server's OpenAPI document has for it, never a 500; streams
must end as their dialect says; /health must stay good; memory must stay bounded. Prints one JSON document, and
faults as they come; ends with 1 where there were any. Python's standard library only.
"""
import argparse
import asyncio
import collections
import json
import random
import re
import sys
import time

import bodies
from wire import Broken, Connection, request, resident_bytes

MAX_FAULTS = 20
# Of requests that are no HTTP: how they may be answered, where they are.
BROKEN_HTTP = {0, 200, 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 429, 431, 501, 505}


class Traffic:
    def __init__(self, args, document):
        self.args = args
        self.random = random.Random(args.seed)
        self.end = time.monotonic() + args.minutes * 60
        self.counts = collections.Counter()
        self.faults = []
        self.peak = 0
        self.routes = [(re.compile(re.sub(r"\\\{[^}]*\\\}", ".+", re.escape(path)) + "$"), method.upper(),
                        {int(status) for status in operation["responses"]})
                       for path, operations in document["paths"].items() for method, operation in operations.items()]

    def done(self):
        return time.monotonic() > self.end or len(self.faults) >= MAX_FAULTS

    def fault(self, what, sent):
        self.faults.append(f"{what}; sent: {sent[:1500]!r}")
        print(self.faults[-1], file=sys.stderr, flush=True)

    def documented(self, method, path):
        path = path.split("?")[0]
        method = "GET" if method == "HEAD" else method
        found = [statuses for pattern, m, statuses in self.routes if m == method and pattern.match(path)]
        # What is no route at all is not there, or is not asked for so.
        return set().union(*found) if found else {400, 401, 403, 404, 405, 429, 501}

    def headers(self):
        return [f"Authorization: Bearer {self.random.choice(self.args.key)}"] if self.args.key else []

    async def client(self):
        while not self.done():
            act = self.random.choices(*zip(*self.ACTS))[0]
            self.counts[act.__name__] += 1
            sent = bytearray()
            try:
                async with Connection(self.args.url) as c:
                    await act(self, c, sent)
            except Broken as e:
                self.fault(f"{act.__name__}: {e}", bytes(sent))
            except ConnectionError as e:
                self.fault(f"{act.__name__}: cannot connect: {e}", bytes(sent))

    async def answer(self, c, sent, method, path, *, allowed=None):
        """Reads an answer to its end and judges it. Returns the status."""
        status, headers = await c.head()
        self.counts[status] += 1
        if status not in (allowed or self.documented(method, path)):
            self.fault(f"{method} {path} is answered with {status}", bytes(sent))
        body = b""
        if method != "HEAD" and status:
            async for piece in c.pieces(headers):
                body += piece
        kind = headers.get("content-type", "")
        if kind.startswith("application/json") and body:
            try:
                content = json.loads(body)
            except ValueError:
                return self.fault(f"{method} {path}: no JSON came: {body[:200]!r}", bytes(sent))
            if status >= 400 and "error" not in content:
                self.fault(f"{method} {path}: {status} without an error: {body[:200]!r}", bytes(sent))
        elif not self.ended_well(kind, body):
            self.fault(f"{method} {path}: the stream ends with {body[-200:]!r}", bytes(sent))
        return status

    @staticmethod
    def ended_well(kind, body):
        if kind.startswith("application/x-ndjson"):
            last = json.loads(body.rstrip(b"\n").split(b"\n")[-1])
            return "error" in last or last.get("done") or last.get("status") == "success"
        if kind.startswith("text/event-stream"):
            last = body.rstrip(b"\n").split(b"\n\n")[-1]
            return re.search(rb'^data: \[DONE\]$|"type": ?"(message_stop|error|response\.(completed|incomplete|failed))"|'
                             rb'^data: \{"error"', last, re.M) is not None
        return True

    async def send(self, c, sent, data):
        sent += data
        return await c.send(data)

    def any_request(self):
        """(method, path, bytes) of a request that is well formed, and may ask for nonsense."""
        method, path, body = bodies.any_request(self.random, self.args.model)
        return method, path, request(method, path, body, self.headers())

    # What clients do.

    async def ask(self, c, sent):
        for _ in range(self.random.randint(1, 4)):
            method, path, data = self.any_request()
            sent.clear()
            await self.send(c, sent, data)
            await self.answer(c, sent, method, path)

    async def ask_nonsense(self, c, sent):
        method, path, body = bodies.any_request(self.random, self.args.model)
        data = request(method, path, bodies.spoiled(self.random, body), self.headers())
        await self.send(c, sent, data)
        await self.answer(c, sent, method, path)

    async def ask_no_json(self, c, sent):
        method, path, body = bodies.any_request(self.random, self.args.model)
        data = request("POST", path, bodies.no_json(self.random, body), self.headers())
        await self.send(c, sent, data)
        await self.answer(c, sent, "POST", path)

    async def leave(self, c, sent):
        """In the middle of the answer, or before it."""
        method, path, data = self.any_request()
        await self.send(c, sent, data)
        if self.random.random() < 0.3:
            return
        _, headers = await c.head()
        if method == "HEAD":
            return
        left = self.random.randint(0, 5)
        async for _ in c.pieces(headers):
            left -= 1
            if left < 0:
                return

    async def read_slowly(self, c, sent):
        path, body = bodies.endless(self.random, self.args.model)
        await self.send(c, sent, request("POST", path, body, self.headers()))
        status, _ = await c.head()
        self.counts[status] += 1
        for _ in range(self.random.randint(1, 20)):
            await asyncio.sleep(0.2)
            try:
                await asyncio.wait_for(c.reader.read(64), 1)
            except asyncio.TimeoutError:  # it has ended, and the connection stays
                return

    async def end_early(self, c, sent):
        """Of the request a part only, and then nothing, or the end."""
        _, _, data = self.any_request()
        await self.send(c, sent, data[:self.random.randint(0, len(data))])
        await asyncio.sleep(self.random.random())
        if self.random.random() < 0.5 and c.writer.can_write_eof():
            try:
                c.writer.write_eof()
            except OSError:
                return
            try:
                status, headers = await c.head()
            except Broken:
                return
            self.counts[status] += 1
            if status >= 500 and status not in (501, 503, 505):
                self.fault(f"half a request is answered with {status}", bytes(sent))

    async def send_no_http(self, c, sent):
        await self.send(c, sent, bodies.no_http(self.random))
        if c.writer.can_write_eof():
            try:
                c.writer.write_eof()
            except OSError:
                return
        status, _ = await c.head()
        self.counts[status] += 1
        if status not in BROKEN_HTTP:
            self.fault(f"what is no HTTP is answered with {status}", bytes(sent))

    async def upload(self, c, sent):
        path, body, whole = bodies.blob(self.random)
        head = request("POST", path, b"x" * len(body), self.headers()).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        sent += head
        if not await c.send(head + body[:whole]):
            return
        if whole == len(body):
            await self.answer(c, sent, "POST", path)

    ACTS = [(ask, 30), (ask_nonsense, 30), (ask_no_json, 8), (leave, 12), (read_slowly, 3), (end_early, 6),
            (send_no_http, 6), (upload, 3)]

    async def watch(self):
        """Whether it is well, all the time."""
        while not self.done():
            start = time.monotonic()
            sent = bytearray()
            try:
                async with Connection(self.args.url) as c:
                    await self.send(c, sent, request("GET", "/health"))
                    await self.answer(c, sent, "GET", "/health", allowed={200})
            except (Broken, ConnectionError) as e:
                self.fault(f"/health: {e}", bytes(sent))
            self.counts["slowest /health, ms"] = max(self.counts["slowest /health, ms"],
                                                     round((time.monotonic() - start) * 1000))
            if self.args.pid:
                self.peak = resident_bytes(self.args.pid)[1] / 1e6
                if self.args.max_rss_mb and self.peak > self.args.max_rss_mb:
                    return self.fault(f"the server takes {self.peak:.0f} MB", b"")
            await asyncio.sleep(0.5)

    async def run(self):
        await asyncio.gather(self.watch(), *(self.client() for _ in range(self.args.clients)))


async def read_document(url):
    async with Connection(url) as c:
        await c.send(request("GET", "/openapi.json"))
        _, headers = await c.head()
        return json.loads(b"".join([piece async for piece in c.pieces(headers)]))


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--model", required=True)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--key", action="append", default=[], help="one that clients send, good or bad; several times")
    parser.add_argument("--pid", type=int, help="of the server, for its memory")
    parser.add_argument("--max-rss-mb", type=float)
    args = parser.parse_args(words)
    traffic = Traffic(args, asyncio.run(read_document(args.url)))
    asyncio.run(traffic.run())
    print(json.dumps({"seed": args.seed, "peak_rss_mb": round(traffic.peak),
                      "counts": {str(k): v for k, v in sorted(traffic.counts.items(), key=str)}}))
    if traffic.faults:
        sys.exit(f"{len(traffic.faults)} faults")


if __name__ == "__main__":
    main()
