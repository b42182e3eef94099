"""HTTP/1.1 over a plain socket, for tests that must see every byte and may send what no client would.
Python's standard library only.
"""
import asyncio
import json
import os
import urllib.parse

# Sanitizers on a busy machine need ten times the usual.
PATIENCE_S = float(os.environ.get("UMA_TEST_PATIENCE", "120"))


class Broken(Exception):
    """What came is no HTTP answer, or came too late."""


def request(method, path, body=b"", headers=()):
    """The bytes of a request; body: bytes, or what becomes JSON."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Connection:
    """One connection, for `async with`. Reads that take over PATIENCE_S are Broken."""

    def __init__(self, url):
        at = urllib.parse.urlsplit(url)
        self.host, self.port = at.hostname, at.port or 80

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port, limit=1 << 20)
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def send(self, data):
        """False where the server has closed."""
        try:
            self.writer.write(data)
            await asyncio.wait_for(self.writer.drain(), PATIENCE_S)
            return True
        except ConnectionError:
            return False
        except asyncio.TimeoutError:
            raise Broken("the server takes nothing more")

    async def _read(self, reading):
        try:
            return await asyncio.wait_for(reading, PATIENCE_S)
        except asyncio.TimeoutError:
            raise Broken(f"nothing came for {PATIENCE_S} s")
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Broken("the connection ended in the middle of an answer")

    async def head(self):
        """(status, headers by lower-case name); (0, {}) where the connection was closed without an answer."""
        try:
            line = await asyncio.wait_for(self.reader.readline(), PATIENCE_S)
        except ConnectionError:
            return 0, {}
        except asyncio.TimeoutError:
            raise Broken(f"no answer for {PATIENCE_S} s")
        if not line:
            return 0, {}
        words = line.split(b" ", 2)
        if len(words) < 2 or not line.startswith(b"HTTP/1.1 ") or not words[1].isdigit():
            raise Broken(f"no status line: {line[:100]!r}")
        headers = {}
        while True:
            line = await self._read(self.reader.readuntil(b"\r\n"))
            if line == b"\r\n":
                return int(words[1]), headers
            name, colon, value = line.decode("latin1").partition(":")
            if not colon:
                raise Broken(f"no header: {line[:100]!r}")
            headers[name.lower()] = value.strip()

    async def pieces(self, headers):
        """The body as it comes: chunk by chunk, or all at once."""
        if headers.get("transfer-encoding") != "chunked":
            length = int(headers.get("content-length", "0"))
            if length:
                yield await self._read(self.reader.readexactly(length))
            return
        while True:
            line = await self._read(self.reader.readuntil(b"\r\n"))
            try:
                size = int(line.strip(), 16)
            except ValueError:
                raise Broken(f"no chunk: {line[:100]!r}")
            data = await self._read(self.reader.readexactly(size + 2))
            if data[size:] != b"\r\n":
                raise Broken("a chunk does not end where it says")
            if size == 0:
                return
            yield data[:size]


def resident_bytes(pid):
    """(now, at most so far)."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status)
    return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
