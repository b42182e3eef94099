"""uma tokenize and uma template."""
import json

from support import TINY, CliTest, main


class Tokenize(CliTest):
    def test_json_has_ids_and_pieces(self):
        document = self.ok("tokenize", TINY, "--json", stdin=b"Hello").json
        self.assertEqual(sorted(document), ["ids", "pieces"])
        self.assertEqual("".join(document["pieces"]), "Hello")
        self.assertEqual(len(document["ids"]), len(document["pieces"]))
        self.assertTrue(all(isinstance(i, int) for i in document["ids"]))

    def test_stdin_is_bytes(self):
        for text in ("", "a\n", "\r\n\t ", "a\x00b", "é漢🙂"):
            document = self.ok("tokenize", TINY, "--json", stdin=text.encode()).json
            self.assertEqual(sum(len(p.encode()) if "\ufffd" not in p else 1 for p in document["pieces"]),
                             len(text.encode()), text)
        self.ok("tokenize", TINY, "--json", stdin=b"\xff\xfe\xc3")
        self.assertEqual(self.ok("tokenize", TINY, "--json", stdin=b"").json, {"ids": [], "pieces": []})

    def test_special_tokens_are_text_unless_asked_for(self):
        text = b"<|end|>"
        self.assertEqual(self.ok("tokenize", TINY, "--json", "--special", stdin=text).json["ids"], [287])
        plain = self.ok("tokenize", TINY, "--json", stdin=text).json
        self.assertNotIn(287, plain["ids"])
        self.assertEqual("".join(plain["pieces"]), "<|end|>")

    def test_for_people_one_token_a_line(self):
        lines = self.ok("tokenize", TINY, stdin=b'a"\n').text.splitlines()
        self.assertEqual([line.split(None, 1) for line in lines], [["97", '"a"'], ["34", '"\\""'], ["10", '"\\n"']])

    def test_a_megabyte_is_nothing_much(self):
        document = self.ok("tokenize", TINY, "--json", stdin=b"word and word " * 75_000).json
        self.assertEqual("".join(document["pieces"]), "word and word " * 75_000)


class Template(CliTest):
    def render(self, template, variables, *words):
        self.write("t.jinja", template)
        return self.ok("template", "--file", "t.jinja", self.write("v.json", json.dumps(variables)), *words)

    def test_file_says_all_variables(self):
        source = ("{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
                  "{% if tools %}{{ tools | length }} tools{% endif %}"
                  "{% if add_generation_prompt %}<assistant>{% endif %}{{ other }}{{ eos_token }}")
        variables = {"messages": [{"role": "user", "content": "é\n"}], "tools": [{"type": "function"}],
                     "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>", "other": 7}
        self.assertEqual(self.render(source, variables).out.decode(), "<s><user>é\n1 tools<assistant>7</s>")
        self.assertEqual(self.render(source, variables, "--json").json, {"text": "<s><user>é\n1 tools<assistant>7</s>"})
        self.assertEqual(self.render(source, {"messages": []}).out, b"")

    def test_nothing_is_added_to_the_prompt(self):
        self.assertEqual(self.render("no newline", {}).out, b"no newline")

    def test_variables_may_come_from_stdin(self):
        self.write("t.jinja", "{{ x }}")
        self.assertEqual(self.ok("template", "--file", "t.jinja", "-", stdin=b'{"x": "y"}').out, b"y")

    def test_faults_are_sentences(self):
        self.write("t.jinja", "line\n{% for %}")
        self.write("refuses.jinja", "{{ raise_exception('roles must alternate') }}")
        self.write("v.json", '{"messages": []}')
        self.fails("template", "--file", "t.jinja", "v.json", saying="line 2")
        self.fails("template", "--file", "refuses.jinja", "v.json", saying="roles must alternate")
        for bad in (b"", b"[]", b'{"messages": [', b"\xff", b"[" * 100_000, b'{"messages": [1e999]}'):
            self.write("bad.json", bad)
            self.fails("template", "--file", "refuses.jinja", "bad.json")
        self.fails("template", "--file", "refuses.jinja", "nowhere.json", saying="nowhere.json")
        self.fails("template", TINY, "v.json", saying="no chat template")
        self.write("loop.jinja", "{% for i in range(10**9) %}x{% endfor %}")
        endless = self.uma("template", "--file", "loop.jinja", "v.json")
        self.assertEqual((endless.code, endless.out), (1, b""))
        self.assertIn("Range too big", endless.said)  # Jinja's own words


if __name__ == "__main__":
    main()
