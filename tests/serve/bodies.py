"""What random clients send: requests of every endpoint, spoiled ones, what is no JSON and what is no HTTP."""
import copy
import hashlib
import json

HUGE = [0, -1, 1, 2**31 - 1, 2**31, -2**31, 2**32, 2**53, 2**63 - 1, 2**63, -2**63, 10**30, 0.5, -0.5, 1e308, 1e-308]
TEXTS = ["", "x", "hello there", "a" * 3000, "\u0000", "\ud83d\ude00 \u65e5\u672c\u8a9e", "../../etc/passwd", "%2e%2e/",
         "<|endoftext|>", "{{ messages }}", "'; --", "\u202e", "-"]
SCHEMAS = [{}, {"type": "object"}, {"type": "integer", "minimum": 3, "maximum": 99}, {"enum": ["a", "b"]},
           {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 4},
           {"type": "string", "pattern": "^[0-9]{3}-[a-z]+$", "maxLength": 8}, {"type": "string", "pattern": "^+"},
           {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, {"type": "nothing"}, {"minimum": "x"},
           {"anyOf": [{"const": 1}, {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}]}]
REGEXES = ["[ab]{2,5}", "(a|aa)+b", "(x?){200}", "^+", "(", "a{9999999}", ".{0,20}", "[^a-z]{1,3}"]
GBNF = ["root ::= \"a\" | \"b\" root", "root ::= root", "root ::= [0-9]{1,4}", "root", "(" * 2000]
WORDS = "the quick brown fox jumps over a lazy dog while it rains in the valley".split()


def text(r):
    return r.choice(TEXTS) if r.random() < 0.2 else " ".join(r.choices(WORDS, k=r.choice([1, 3, 8, 40])))


def name(r, model):
    return r.choice([model] * 20 + ["none", "t-1", "t-2", "", "a/b/c/d", "../x", "hf.co/a/b/c.gguf"])


def messages(r):
    turns = [{"role": "user", "content": text(r)}]
    if r.random() < 0.3:
        turns = [{"role": "system", "content": text(r)}, *turns, {"role": "assistant", "content": text(r)}, *turns]
    return turns


def sampling(r):
    return {"temperature": r.choice([0, 1, 0.3]), "top_p": r.choice([0.5, 1]), "seed": r.randint(-1, 99)}


def tools(r):
    return [{"type": "function", "function": {"name": r.choice(["f", "get"]), "parameters": r.choice(SCHEMAS)}}]


def generate(r, model):
    body = {"model": name(r, model), "prompt": text(r), "stream": r.random() < 0.6, "raw": r.random() < 0.5,
            "options": {**sampling(r), "num_predict": r.randint(0, 60)}}
    if r.random() < 0.3:
        body["format"] = r.choice(["json", "", *SCHEMAS])
    return body


def chat(r, model):
    body = generate(r, model)
    del body["prompt"], body["raw"]
    body["messages"] = messages(r)
    if r.random() < 0.1:
        body["tools"] = tools(r)
    return body


def openai(r, model):
    body = {"model": name(r, model), "stream": r.random() < 0.6, "max_tokens": r.randint(0, 60), **sampling(r)}
    if r.random() < 0.3:
        body["n"] = r.randint(1, 6)
    if r.random() < 0.2:
        body["stop"] = r.choice(["e", ["a", "the"], []])
    if r.random() < 0.2:
        body["priority"] = r.randint(-3, 3)
    kind = r.random()
    if kind < 0.1:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "s", "schema": r.choice(SCHEMAS)}}
    elif kind < 0.2:
        body["guided_regex"] = r.choice(REGEXES)
    elif kind < 0.25:
        body["grammar"] = r.choice(GBNF)
    return body


def completions(r, model):
    body = {**openai(r, model), "prompt": r.choice([text(r), [1, 2, 3], [text(r), text(r)]])}
    if r.random() < 0.2:
        body["logprobs"] = r.randint(0, 5)
    return body


def chat_completions(r, model):
    body = {**openai(r, model), "messages": messages(r)}
    if r.random() < 0.1:
        body["tools"] = tools(r)
        body["tool_choice"] = r.choice(["auto", "required", "none"])
    return body


def responses(r, model):
    return {"model": name(r, model), "input": r.choice([text(r), messages(r)]), "stream": r.random() < 0.6,
            "max_output_tokens": r.randint(1, 60), "temperature": 1}


def anthropic(r, model):
    return {"model": name(r, model), "max_tokens": r.randint(1, 60), "messages": messages(r)[-1:],
            "stream": r.random() < 0.6}


def embed(r, model):
    return {"model": name(r, model), "input": r.choice([text(r), [text(r) for _ in range(r.randint(0, 6))]])}


def create(r, model):
    return {"model": r.choice(["t-1", "t-2", "T/3:x"]), "from": name(r, model), "system": text(r),
            "stream": r.random() < 0.5, "parameters": {"num_predict": r.randint(1, 9), "stop": ["x"]}}


ENDPOINTS = [
    (12, "POST", "/api/generate", generate), (12, "POST", "/api/chat", chat),
    (12, "POST", "/v1/completions", completions), (12, "POST", "/v1/chat/completions", chat_completions),
    (8, "POST", "/v1/responses", responses), (8, "POST", "/v1/messages", anthropic),
    (3, "POST", "/v1/messages/count_tokens", anthropic),
    (4, "POST", "/api/embed", embed), (4, "POST", "/v1/embeddings", embed),
    (2, "POST", "/api/embeddings", lambda r, m: {"model": name(r, m), "prompt": text(r)}),
    (3, "POST", "/api/create", create),
    (2, "POST", "/api/copy", lambda r, m: {"source": name(r, m), "destination": r.choice(["t-1", "t-2", m])}),
    (2, "DELETE", "/api/delete", lambda r, m: {"model": r.choice(["t-1", "t-2", "none"])}),
    (2, "POST", "/api/pull", lambda r, m: {"model": r.choice(["none", "t-1", "hf.co/a/b/c.gguf", ""]),
                                           "stream": r.random() < 0.5}),
    (1, "POST", "/api/push", lambda r, m: {"model": name(r, m)}),
    (2, "POST", "/api/show", lambda r, m: {"model": name(r, m), "verbose": r.random() < 0.5}),
    *[(1, "GET", path, None) for path in ("/api/tags", "/api/ps", "/api/version", "/v1/models", "/v1/models/none",
                                          "/ready", "/metrics", "/openapi.json", "/", "/nothing", "//v1/models",
                                          "/v1/../api/tags", "/api/blobs/sha256:" + "0" * 64)]]


def any_request(r, model):
    """(method, path, body): well formed, and now and then by an odd method."""
    _, method, path, make = r.choices(ENDPOINTS, [e[0] for e in ENDPOINTS])[0]
    if r.random() < 0.02:
        method = r.choice(["GET", "HEAD", "PUT", "PATCH", "OPTIONS", "DELETE"])
    return method, path, make(r, model) if make else b""


def endless(r, model):
    return "/api/generate", {"model": model, "prompt": "x", "raw": True,
                             "options": {"num_predict": 4000, "temperature": 1, "seed": r.randint(0, 99)}}


def junk(r, depth=0):
    kind = r.randint(0, 7 if depth < 3 else 4)
    if kind <= 1:
        return r.choice(HUGE)
    if kind == 2:
        return r.choice(TEXTS)
    if kind <= 4:
        return r.choice([None, True, False])
    if kind == 5:
        return [junk(r, depth + 1) for _ in range(r.randint(0, 4))]
    if kind == 6:
        return {r.choice(WORDS + TEXTS): junk(r, depth + 1) for _ in range(r.randint(0, 3))}
    return copy.deepcopy(r.choice(SCHEMAS))


def spoiled(r, body):
    """The same with other values in a place or two."""
    body = copy.deepcopy(body) if isinstance(body, dict) else {}
    for _ in range(r.randint(1, 2)):
        place = body
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = r.choice(keys)
            if isinstance(place[key], (dict, list)) and place[key] and r.random() < 0.6:
                place = place[key]
                continue
            place[key] = junk(r)
            break
    for field in ("n", "best_of", "num_predict", "max_tokens"):  # large is allowed there, and takes its time
        for place in (body, body.get("options")):
            if isinstance(place, dict) and isinstance(place.get(field), (int, float)) and place[field] > 200:
                place[field] = r.choice([200, 2**63, 1e300])
    return body


def no_json(r, body):
    data = json.dumps(body).encode() if isinstance(body, dict) else b"{}"
    at = r.randint(0, max(len(data) - 1, 0))
    return r.choice([
        data[:at], data[:at] + bytes([r.randint(0, 255)]) + data[at + 1:], b"\xff\xfe" + data, data + b"}",
        data[:-1] + b',"x":1e400}', data[:-1] + b',"x":NaN}', data[:-1] + b',"prompt":"\\ud800"}',
        b"[" * 100_000, b'{"a":' * 50_000, b"null", b"[]", b'"x"', b" ", b'{"model":"' + b"\xc3\x28" + b'"}',
        b'{"model":' + b"9" * 5000 + b"}", b"{" + b'"k":1,' * 600_000 + b'"z":1}', bytes(r.randint(0, 2000))])


def no_http(r):
    return r.choice([
        b"", b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", bytes(500),
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nbad\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"GET http://localhost/api/tags HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /api/show HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/show HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /api/show HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n\r\nx",
        b"POST /api/show HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n",
        b"POST /api/show HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"POST /api/show HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /api/show HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200])


def blob(r):
    """(path, bytes, how many of them are sent)."""
    data = r.randbytes(r.choice([0, 10, 5000, 300_000]))
    digest = r.choice([hashlib.sha256(data).hexdigest()] * 3 + ["0" * 64, "../x", "A" * 64])
    return f"/api/blobs/sha256:{digest}", data, len(data) if r.random() < 0.6 else len(data) // 2
