#!/usr/bin/env python3
"""Writes tests/golden/template/*.json with Python's jinja2, set up as transformers sets it up.

usage: make_template_goldens.py DIRECTORY_OF_TEMPLATES OUT_DIRECTORY

conversations.json  the variables that each template is rendered with (tools/template_conversations.py)
renderings.json     for each template and conversation: [length in bytes, FNV-1a of the bytes], the text of
                    raise_exception, or false where any other error ends the rendering
texts.json          a few renderings in full, to read when a hash differs
snippets.json       small templates (tools/template_snippets.py) with their text, error or false
"""

import json
import os
import sys
import warnings

import template_conversations
import template_oracle
import template_snippets

IN_FULL = {("Qwen-Qwen2.5-7B-Instruct", "two_calls"), ("openai-gpt-oss-120b", "reasoning_tool_text"),
           ("meta-llama-Llama-3.1-8B-Instruct", "tool_result"), ("google-gemma-2-2b-it", "no_system_turns")}
# Python's answers that hold an address, or a type that templates here do not have
LEFT_OUT = (" at 0x", "TemplateReference", "b'a'")


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return "%016x" % h


def write(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, indent=0, separators=(",", ":"))
        f.write("\n")


def main():
    source, out = sys.argv[1:3]
    warnings.simplefilter("ignore")
    env = template_oracle.environment()
    conversations = template_conversations.conversations()
    renderings, texts = {}, {}
    for file in sorted(os.listdir(source)):
        name = file.removesuffix(".jinja")
        with open(os.path.join(source, file), encoding="utf-8", newline="") as f:
            template = f.read()
        for conversation, variables in conversations.items():
            kind, text = template_oracle.render(env, template, variables)
            data = text.encode()
            answer = [len(data), fnv1a(data)] if kind == "ok" else text if kind == "raise" else False
            renderings.setdefault(name, {})[conversation] = answer
            if kind == "ok" and (name, conversation) in IN_FULL:
                texts.setdefault(name, {})[conversation] = text
    snippets = []
    for template in ["{{ " + e + " }}" for e in template_snippets.EXPRESSIONS] + template_snippets.TEMPLATES:
        kind, text = template_oracle.render(env, template, template_snippets.VARIABLES)
        if not any(x in text for x in LEFT_OUT):
            snippets.append([template, kind, "" if kind == "error" else text])
    os.makedirs(out, exist_ok=True)
    write(os.path.join(out, "conversations.json"), conversations)
    write(os.path.join(out, "renderings.json"), renderings)
    write(os.path.join(out, "texts.json"), texts)
    write(os.path.join(out, "snippets.json"), {"now_s": template_oracle.NOW, "variables": template_snippets.VARIABLES, "cases": snippets})


if __name__ == "__main__":
    main()
