#!/usr/bin/env python3
"""Random templates, and random conversations through real templates: uma against Python's jinja2.

    python tools/fuzz_templates.py [--uma build/uma] [--seed 0] [--count 500] [--templates DIRECTORY]

Without --templates, small templates are put together from a grammar and rendered with the variables of
tools/template_snippets.py; with it, each template of the directory is rendered with random conversations. The
answers must be equal: the same text, the same text of raise_exception, or an error on both sides. Prints what
differs and exits with 1 if anything does. A check for development: needs transformers and jinja2.
"""
import argparse
import datetime
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings

import template_conversations as known
import template_oracle
import template_snippets

NAMES = list(template_snippets.VARIABLES) + ["undefined_name"]
FILTERS = """abs, attr('name'), batch(2), batch(3, 'x'), capitalize, center(9), count, d('z'), default('z', true),
default(none), dictsort, dictsort(true), dictsort(by='value'), dictsort(reverse=true), e, escape, filesizeformat,
first, float, float(1.5), forceescape, format(1, 'a'), groupby('age'), groupby('city'), groupby('city', case_sensitive=true),
groupby('age', default=0), indent, indent(2, true), indent('> ', first=true), indent(blank=true), int, int(3), int(base=16), items,
join, join(', '), join('-', attribute='name'), last, length, list, lower, map('upper'), map(attribute='name'),
map(attribute='age', default=1), map('int'), map('default', 'q'), max, max(attribute='age'), min, min(attribute='name'), reject, reject('odd'), rejectattr('tags'), rejectattr('age', 'gt', 10), replace('l', 'L'), replace('o', '0', 1),
reverse, reverse|list, round, round(1), round(1, 'floor'), round(0, 'ceil'), round(-1), safe, select, select('string'),
select('number'), selectattr('tags'), selectattr('age', 'equalto', 36), selectattr('name', 'in', ['Ada', 'Cy']), slice(2), slice(3, 'x'),
sort, sort(reverse=true), sort(attribute='age'), sort(attribute='age,name'), sort(case_sensitive=true), string, striptags, sum,
sum(attribute='age'), sum(start=5), title, tojson, tojson(indent=2), tojson(indent=0), tojson(ensure_ascii=true), tojson(sort_keys=true),
tojson(separators=(',', ':')), trim, trim('lo'), truncate(5), truncate(9, true), truncate(7, true, '.', 0), unique,
unique|list, unique(case_sensitive=true)|list, unique(attribute='city')|list, upper, urlencode, wordcount, xmlattr,
nosuchfilter, list|length, list|first, string|length""".replace("\n", " ")
TESTS = """boolean, callable, defined, divisibleby 2, divisibleby(3), eq 7, equalto('a'), escaped, even, false, filter, float, ge 2, gt 2,
greaterthan(1), in [1, 7, 'a'], in 'Hello, World', integer, iterable, le 3, lessthan 4, lower, lt 3, mapping, ne 7, none, number, odd,
sameas none, sameas(true), sequence, string, test, true, undefined, upper, nosuchtest""".replace("\n", " ")
METHODS = """capitalize(), casefold(), center(7, '*'), count('l'), count('l', 3), endswith('d'), endswith(('x', 'd')), expandtabs(4), find('l'),
find('l', 4), format(1, 2, name='x'), index('o'), index('zz'), isalnum(), isalpha(), isascii(), isdecimal(), isdigit(), isidentifier(),
islower(), isnumeric(), isprintable(), isspace(), istitle(), isupper(), join(['a', 'b']), join(ls), ljust(8), ljust(8, '.'), lower(),
lstrip(), lstrip('H'), partition(', '), removeprefix('He'), removesuffix('ld'), replace('l', 'L'), replace('l', 'L', 1), rfind('o'),
rindex('o'), rjust(9), rpartition('o'), rsplit(), rsplit('o', 1), rstrip(), rstrip('d'), split(), split(','), split(None, 1), split('l', 1),
split(''), splitlines(), splitlines(true), startswith('H'), startswith('e', 1), strip(), strip('Hd'), swapcase(), title(), upper(),
zfill(9), get('a'), get('zz', 5), get('b', 1), items(), keys(), values(), copy(), items()|list, keys()|list, index(1), count(1), append(4), pop(),
update({'z': 1}), bit_length(), is_integer(), as_integer_ratio(), real, imag, numerator, name, a, items, missing, missing.deeper, __class__,
__len__(), _private""".replace("\n", " ")


def alternatives(text):
    """Splits at commas outside brackets and quotes."""
    parts, depth, quote, now = [], 0, "", ""
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c == "'":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(now.strip())
            now = ""
            continue
        now += c
    return parts + [now.strip()]


FILTERS, TESTS, METHODS = alternatives(FILTERS), alternatives(TESTS), alternatives(METHODS)
LITERALS = ["0", "1", "-1", "2", "3", "7", "10", "255", "1.5", "2.0", "-0.5", "1e3", "1e20", "3.14159", "12345678901234567890",
            "''", "'a'", "'abc'", "\"it's\"", "'l'", "'\\n'", "'é'", "'日本'", "'\\u00e9'", "'\\x41'", "'a\\\\b'", "'%s-%s'", "'%5.2f|%d'",
            "'{}/{}'", "'{0:>5}|{name}'", "true", "false", "none", "True", "None", "[]", "{}", "()", "[1, 2, 3]", "(1, 'a')",
            "['b', 'A', 'c']", "{'a': 1, 'b': [2]}", "[[1, 2], [3]]", "[3, 1, 2, 1]", "[1.5, 2]", "['', none, 0]", "range(5)", "range(1, 9, 3)",
            "range(5, 0, -2)", "dict(a=1, b=2)", "namespace(x=1)", "cycler('a', 'b')", "joiner(', ')"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]


# By what they give and take, so that most templates have an answer to compare.
LEAVES = {"str": ["s", "u", "ws", "html", "lines", "num", "e", "'abc'", "'a b'", "'x,y'", "people[0].name", "ls[1]"],
          "num": ["n", "z", "m", "f", "big", "g", "h", "2", "-1", "1.5", "l[0]", "s|length", "people[1].age"],
          "list": ["l", "ls", "el", "mixed", "people", "[2, 1]", "range(4)", "s.split('o')", "d.items()", "people|map(attribute='name')",
                   "people|groupby('age')", "nest.a.b", "'abc'|list"],
          "dict": ["d", "ed", "nest", "people[0]", "{'k': s, 'n': n}", "dict(a=1)"],
          "bool": ["t", "x", "n > 3", "s is string", "'l' in s", "nil is none", "e", "undefined_name is defined"]}
STEPS = {
    ("str", "str"): ["|upper", "|lower", "|trim", "|title", "|capitalize", "|replace('l', 'L')", "|indent(2)", "|center(11)", "|e", "|tojson",
                     "|string", "|default('z', true)", "|striptags", "|truncate(6)", "|urlencode", "|reverse", "[1:]", "[::-1]", "[:-1]", ".strip()",
                     ".strip('Hd')", ".lstrip()", ".rstrip('\\n')", ".replace('o', '0')", ".title()", ".swapcase()", ".zfill(8)", ".removeprefix('a')",
                     " ~ n", " + 'x'", " * 2", "|first|default('')", "|last|default('')", ".split('l')[0]", ".split('</think>')[-1]",
                     ".lstrip('\\n')", "|safe", "|forceescape", "|format", ".partition('l')[2]", ".rpartition('o')|join('|')"],
    ("str", "list"): ["|list", ".split()", ".split(',')", ".split('l', 1)", ".rsplit('o', 1)", ".splitlines()", ".splitlines(true)", "|batch(3)|list",
                      "|slice(2)|list", "|unique|list", "|sort", ".partition('o')"],
    ("str", "num"): ["|length", "|int", "|float", "|int(7)", ".find('l')", ".count('l')", "|wordcount", ".rfind('o')"],
    ("str", "bool"): [" is string", ".startswith('H')", ".endswith(('d', 'x'))", ".isdigit()", " is upper", " in ls", " in d", " == s", " < 'b'"],
    ("num", "num"): [" + 1", " - 2.5", " * 3", " // 2", " % 3", " / 4", "|abs", "|round", "|round(1)", "|int", "|float", " ** 2", "|default(0)"],
    ("num", "str"): ["|string", "|tojson", " ~ ''", "|filesizeformat", "|round(2)|string"],
    ("num", "bool"): [" is odd", " is number", " is integer", " > 2", " in l", " is divisibleby 3", " == 7", " is float", " is even"],
    ("list", "list"): ["|list", "|reverse|list", "|sort(case_sensitive=true)", "|unique|list", "|map('string')|list", "|select|list", "|reject('none')|list",
                       "[1:]", "[::-1]", "[:2]", "|list + [1]", "|batch(2, 'x')|list", "|slice(2)|list", "|map('upper')|list", "|selectattr('age')|list",
                       "|rejectattr('tags')|list", "|sort(attribute='age,name')", "|map(attribute='name', default='-')|list", "|sort(reverse=true)",
                       "|selectattr('age', 'gt', 8)|map(attribute='city')|list", "|map('length')|list", "|select('string')|list"],
    ("list", "str"): ["|join", "|join(', ')", "|join('-', attribute='name')", "|string", "|tojson", "|tojson(indent=2)", "|first|string", "|last|tojson"],
    ("list", "num"): ["|length", "|list|count", "|map('length')|sum", "|sum(attribute='age')"],
    ("list", "bool"): [" is iterable", " is sequence", " is mapping", " is sameas l", " == l", "|first is defined"],
    ("dict", "list"): ["|dictsort", "|items|list", ".keys()|list", ".values()|list", "|list", "|dictsort(by='value')", "|dictsort(true, reverse=true)"],
    ("dict", "str"): ["|tojson", "|string", "|tojson(indent=2)", "|tojson(sort_keys=true)", ".get('b')|string", ".a|string", "['zz']|string", "|xmlattr"],
    ("dict", "num"): ["|length", ".get('zz', 4)"],
    ("dict", "bool"): [" is mapping", ".a is defined", ".items is defined", " == {'a': 2}", " is none"],
    ("bool", "str"): ["|string", "|tojson", " and 'yes'", " or 'no'"],
    ("bool", "num"): ["|int", " + 1"],
    ("dict", "dict"): ["|default({})"], ("bool", "bool"): [" == true", " and t", " or x"],
}


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def typed(self, kind, depth):
        r = self.r
        if depth <= 0 or r.random() < 0.15:
            return r.choice(LEAVES[kind])
        if r.random() < 0.15:
            return f"{self.typed(kind, depth - 1)} if {self.typed('bool', depth - 1)} else {self.typed(kind, depth - 1)}"
        if kind == "dict":
            return r.choice(LEAVES[kind])
        source = r.choice([a for a, b in STEPS if b == kind])
        inner = self.typed(source, depth - 1)
        return (inner if inner.replace("_", "").isalnum() else f"({inner})") + r.choice(STEPS[source, kind])

    def expression(self, depth=3):
        r = self.r
        if r.random() < 0.75:
            return self.typed(r.choice(["str", "str", "num", "list", "list", "dict", "bool"]), depth)
        if depth <= 0 or r.random() < 0.12:
            return r.choice(NAMES) if r.random() < 0.6 else r.choice(LITERALS)
        e = lambda: self.expression(depth - 1)
        kind = r.randrange(15)
        if kind < 4:
            return f"{self.operand(depth - 1)}|{r.choice(FILTERS)}"
        if kind < 6:
            return f"{self.operand(depth - 1)}.{r.choice(METHODS)}"
        if kind == 6:
            return f"{self.operand(depth - 1)} is {r.choice(['', 'not '])}{r.choice(TESTS)}"
        if kind < 9:
            # No power of powers: Python works for minutes on their digits.
            op = r.choice(OPERATORS)
            return f"{self.operand(0 if op == '**' else depth - 1)} {op} {self.operand(0 if op in ('**', '*') else depth - 1)}"
        if kind == 9:
            return f"{e()} if {e()}" + (f" else {e()}" if r.random() < 0.7 else "")
        if kind == 10:
            # Slices of variables only: of constants Jinja2 takes them while it compiles, and then errors are undefined.
            return f"{r.choice(NAMES)}[{self.slice_of()}]" if r.random() < 0.6 else f"{self.operand(depth - 1)}[{e()}]"
        if kind == 11:
            return f"{r.choice(['not ', '-', '+'])}{self.operand(depth - 1)}"
        if kind == 12:
            return f"[{e()}, {e()}]" if r.random() < 0.5 else f"{{'k': {e()}, {r.choice(['1', 'none', 's', '2.5'])}: {e()}}}"
        if kind == 13:
            return f"{self.operand(depth - 1)} < {self.operand(depth - 1)} <= {self.operand(depth - 1)}"
        return f"{self.operand(depth - 1)}|{r.choice(FILTERS)}|{r.choice(FILTERS)}"

    def operand(self, depth):
        text = self.expression(depth)
        return text if text.replace("_", "").isalnum() or self.r.random() < 0.05 else f"({text})"

    def slice_of(self):
        bound = lambda: self.r.choice(["", "", "0", "1", "2", "-1", "-2", "5", "none", "n"])
        return f"{bound()}:{bound()}" + (f":{self.r.choice(['', '1', '2', '-1', '-2', '0'])}" if self.r.random() < 0.5 else "")

    def tag(self, inner):
        r = self.r
        return "{%" + r.choice(["", "", "-", "+"]) + f" {inner} " + r.choice(["", "", "-"]) + "%}"

    def text(self):
        return self.r.choice(["", " ", "\n", "\n  ", "x", " a b ", "\t", "  \n\n", "é", "{", "}", "#", "\r\n", "{#- c -#}", "{# c #}\n", "  {#+ c #}"])

    def body(self, depth):
        return "".join(self.text() + self.node(depth) for _ in range(self.r.randrange(1, 4))) + self.text()

    def node(self, depth):
        r, t, b = self.r, self.tag, lambda: self.body(depth - 1)
        if depth <= 0 or r.random() < 0.35:
            return "{{" + r.choice(["", "-"]) + f" {self.expression(2)} " + r.choice(["", "-"]) + "}}"
        target = r.choice(["i", "i", "i, j", "(i, j)", "a, (b, c)"])
        kind = r.randrange(13)
        if kind < 3:
            loop = r.choice(["{{ loop.index }}", "{{ loop.first }}{{ loop.last }}", "{{ loop.previtem }}/{{ loop.nextitem }}",
                             "{{ loop.cycle('a', 'b') }}", "{{ loop.changed(i) }}", "{{ loop.length }}-{{ loop.revindex0 }}",
                             "{{ loop.depth }}", "{% if loop.index > 2 %}{% break %}{% endif %}", "{% if loop.first %}{% continue %}{% endif %}", "{{ loop }}"])
            condition = f" if {self.expression(1)}" if r.random() < 0.3 else ""
            other = t("else") + b() if r.random() < 0.3 else ""
            return t(f"for {target} in {self.expression(2)}{condition}") + "{{ i }}" + loop + b() + other + t("endfor")
        if kind < 5:
            middle = t(f"elif {self.expression(2)}") + b() if r.random() < 0.4 else ""
            return t(f"if {self.expression(2)}") + b() + middle + (t("else") + b() if r.random() < 0.5 else "") + t("endif")
        if kind == 5:
            return t(f"set {r.choice(['v', 'v, w', 's'])} = {self.expression(2)}") + "{{ v }}{{ w }}"
        if kind == 6:
            return t("set v" + r.choice(["", " | upper", " | trim | length"])) + b() + t("endset") + "[{{ v }}]"
        if kind == 7:
            return (t("macro m(a, b=" + self.expression(1) + ")") + "{{ a }}{{ b }}{{ varargs }}{{ kwargs }}" + b() + t("endmacro")
                    + "{{ m" + r.choice(["()", "(1)", "(1, 2)", "(b=3)", "(1, 2, 3)", "(1, c=4)", "(a=1, a=2)", ".name", ".arguments"]) + " }}")
        if kind == 8:
            return (t("macro m(a)") + "<{{ caller(" + r.choice(["", "a", "1, 2"]) + ") }}>" + t("endmacro")
                    + t("call" + r.choice(["", "(x)", "(x, y=2)"]) + " m(" + self.expression(1) + ")") + b() + "{{ x }}" + t("endcall"))
        if kind == 9:
            return t("filter " + r.choice(FILTERS)) + b() + t("endfilter")
        if kind == 10:
            return (t("set ns = namespace(c=0)") + t(f"for i in {self.expression(1)}") + t("set ns.c = ns.c + 1") + t("endfor") + "{{ ns.c }}")
        if kind == 11:
            return t("raw") + "{{ x }} {% if %}" + t("endraw") if r.random() < 0.5 else t("with q = " + self.expression(1)) + b() + "{{ q }}" + t("endwith")
        return t("generation") + b() + t("endgeneration") if r.random() < 0.3 else t(r.choice(
            ["include 'x'", "import 'x' as y", "extends 'x'", "block k", "do 1", "autoescape true", "endif", "else", "nosuch", "set", "for", "if"])) + b()


TEXTS = ["", " ", "hi", "What is 2 + 2?\n", "  padded\t\n", "naïve 日本語 🙂", "{{ x }} {% y %}", "<think>\nhm\n</think>\n\nyes", "</think>", "a</think>b",
         "<tool_call>\n{}\n</tool_call>", "it's \"quoted\" <b>&amp;</b>", "/no_think", "line\n\nline", "<|im_end|>", "\u2028\u00a0\x7f", "[INST] x [/INST]"]


class Conversation:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def content(self):
        r = self.r
        kind = r.randrange(12)
        if kind < 7:
            return r.choice(TEXTS)
        if kind < 9:
            return [r.choice([{"type": "text", "text": r.choice(TEXTS)}, {"type": "image"}, {"type": "image_url", "image_url": {"url": "u"}},
                              {"type": "text"}, {"text": "bare"}, "plain", {"type": "audio"}]) for _ in range(r.randrange(4))]
        return r.choice([None, None, 5, 2.5, True, {"a": [1, None, "é"], "b": {"c": 1e-7}}, [], {}])

    def value(self, depth=2):
        r = self.r
        if depth == 0 or r.random() < 0.5:
            return r.choice([0, -3, 2.5, 1e22, 1e-9, True, None, "", "x \"y\" 'z'", "日本\n", 10**20])
        if r.random() < 0.5:
            return [self.value(depth - 1) for _ in range(r.randrange(3))]
        return {r.choice(["a", "é", "k k", "items", "0"]): self.value(depth - 1) for _ in range(r.randrange(3))}

    def arguments(self):
        r = self.r
        kind = r.randrange(8)
        if kind == 0:
            return json.dumps({"town": "Oslo"})
        return r.choice([{}, "", None, "not json"]) if kind == 1 else {r.choice(["town", "days", "é", "list"]): self.value() for _ in range(r.randrange(1, 4))}

    def call(self, i):
        r = self.r
        function = {"name": r.choice(["get_weather", "search", "now", "add"]), "arguments": self.arguments()}
        if r.random() < 0.1:
            return function
        return {"id": r.choice([f"call{i:05}", "1", "functions.now:0"]), "type": "function", "function": function}

    def schema(self, depth=2):
        r = self.r
        kind = r.choice(["string", "integer", "number", "boolean", "array", "object", ["string", "null"], None])
        s = {} if kind is None else {"type": kind}
        if r.random() < 0.6:
            s["description"] = r.choice(TEXTS)
        if r.random() < 0.2:
            s["enum"] = [self.value(0) for _ in range(2)]
        if r.random() < 0.2:
            s["default"] = self.value(1)
        if kind == "array" and depth:
            s["items"] = self.schema(depth - 1)
        if kind == "object" and depth:
            s["properties"] = {n: self.schema(depth - 1) for n in ["x", "y"][:r.randrange(3)]}
            if r.random() < 0.5:
                s["required"] = ["x"]
        if r.random() < 0.1:
            s[r.choice(["oneOf", "anyOf"])] = [self.schema(0), self.schema(0)]
        return s

    def tool(self):
        r = self.r
        f = {"name": r.choice(["get_weather", "search", "now"]), "description": r.choice(TEXTS),
             "parameters": {"type": "object", "properties": {n: self.schema() for n in ["town", "days", "é"][:r.randrange(4)]}}}
        if r.random() < 0.6:
            f["parameters"]["required"] = r.choice([[], ["town"], ["town", "days"]])
        for key in ("description", "parameters"):
            if r.random() < 0.08:
                del f[key]
        if r.random() < 0.1:
            f["return"] = self.schema()
        return f if r.random() < 0.1 else {"type": "function", "function": f}

    def message(self, i):
        r = self.r
        m = {"role": r.choice(["user", "assistant", "user", "assistant", "tool", "system", "developer", "ipython", "critic"])}
        if i == 0 and r.random() < 0.4:
            m["role"] = "system"
        if r.random() < 0.95:
            m["content"] = self.content()
        if m["role"] == "assistant":
            if r.random() < 0.4:
                m["tool_calls"] = [self.call(i + k) for k in range(r.choice([0, 1, 1, 2]))]
            for key in ("reasoning_content", "thinking", "reasoning"):
                if r.random() < 0.15:
                    m[key] = r.choice(TEXTS + [None])
            if r.random() < 0.05:
                m["prefix"] = True
        if m["role"] == "tool" and r.random() < 0.8:
            m.update({"tool_call_id": r.choice(["call00001", "1"]), "name": "now"})
        if r.random() < 0.02:
            del m["role"]
        return m

    def variables(self):
        r = self.r
        if r.random() < 0.6:  # turns in order, so that templates get far
            messages = [dict(self.message(i), role=("user", "assistant")[i % 2]) for i in range(r.randrange(1, 7))]
            for m in messages:
                if m["role"] == "user":
                    for key in ("tool_calls", "reasoning_content", "thinking", "reasoning"):
                        m.pop(key, None)
            if r.random() < 0.5:
                messages.insert(0, {"role": "system", "content": r.choice(TEXTS)})
        else:
            messages = [self.message(i) for i in range(r.randrange(7))]
        v = {"messages": messages, "bos_token": "<s>", "eos_token": "</s>"}
        v["add_generation_prompt"] = r.random() < 0.6
        v["date_string"] = "03 May 2025"
        if r.random() < 0.5:
            v["tools"] = r.choice([None, [], [known.WEATHER], [known.SEARCH, known.BARE]]) if r.random() < 0.5 else [self.tool() for _ in range(r.randrange(1, 3))]
        for key, values in (("enable_thinking", [True, False, None]), ("thinking", [True, False]), ("reasoning_effort", ["low", "high", 3]),
                            ("documents", [[], [{"title": "A", "text": "t"}], [{"doc_id": 1, "title": None}]]), ("custom_tools", [[known.WEATHER]]),
                            ("builtin_tools", [["python", "browser"], ["code_interpreter"]]), ("tools_in_user_message", [False]),
                            ("continue_final_message", [True]), ("thinking_budget", [0, 100]), ("xml_tools", [[known.WEATHER["function"]]]),
                            ("keep_past_thinking", [True]), ("available_tools", [[known.WEATHER]]), ("model_identity", ["I", None])):
            if r.random() < 0.12:
                v[key] = r.choice(values)
        return v


def uma(args, folder, template, variables):
    (folder / "t.jinja").write_text(template, encoding="utf-8", newline="")
    (folder / "v.json").write_text(json.dumps(variables), encoding="utf-8")
    done = subprocess.run([args.uma, "template", "--file", folder / "t.jinja", folder / "v.json"], capture_output=True)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def same(kind, text, done):
    code, out, err = done
    if kind == "ok":
        return code == 0 and out == text
    return code == 1 and (kind != "raise" or text in err)


# Where Python's answer holds an address, a set's order, or a type that templates here do not have.
LEFT_OUT = (" at 0x", "generator object",  "TemplateReference", "<class", "<built-in", "<bound method", "b'", "<generator", "<function", "jinja2.", "<Macro", "<itertools", "<map", "<filter")


def cases(args):
    if args.templates:
        for file in sorted(args.templates.glob("*.jinja")):
            template = file.read_bytes().decode()
            for seed in range(args.seed, args.seed + args.count):
                yield f"{file.name} {seed}", template, Conversation(seed * 1000 + len(file.name)).variables()
    else:
        for seed in range(args.seed, args.seed + args.count):
            m = Maker(seed)
            template = "{{ " + m.expression(3) + " }}" if seed % 2 else m.body(3)
            yield f"seed {seed}", template, template_snippets.VARIABLES


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--uma", type=pathlib.Path, default=pathlib.Path("build/uma"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--templates", type=pathlib.Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    env = template_oracle.environment()
    import transformers.utils.chat_template_utils as utils
    utils.datetime = datetime.datetime
    count, bad, kinds = 0, 0, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, template, variables in cases(args):
            kind, text = template_oracle.render(env, template, json.loads(json.dumps(variables)))
            if any(x.lower() in text.lower() for x in LEFT_OUT) or "surrogates" in text:
                continue
            count += 1
            kinds[kind] = kinds.get(kind, 0) + 1
            done = uma(args, pathlib.Path(folder), template, variables)
            if same(kind, text, done):
                continue
            bad += 1
            shown = template if not args.templates else json.dumps(variables, ensure_ascii=False)
            print(f"--- {name}: {shown!r}\n  jinja2 {kind}: {text!r}\n  uma    {done[0]}: {done[1]!r} {done[2].strip()}", flush=True)
    print(f"{count} renderings ({kinds}), {bad} differ")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
