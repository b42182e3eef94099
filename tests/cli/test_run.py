"""uma run PROMPT."""
import json
import signal
import time

from support import PATIENCE, ENDLESS, TINY, TINY_CONTEXT, TINY_EOS, TINY_VOCAB, CliTest, main


class Run(CliTest):
    def answer(self, *words, **more):
        return self.ok("run", TINY, *words, "--json", **more).json

    def test_json_has_the_fields_of_the_contract(self):
        answer = self.answer("hello", "--temp", "0", "--max-tokens", "8")
        self.assertIsInstance(answer["text"], str)
        self.assertEqual(len(answer["tokens"]), 8)
        for token in answer["tokens"]:
            self.assertIsInstance(token, int)
            self.assertTrue(0 <= token < TINY_VOCAB)
        ids = self.ok("tokenize", TINY, "--json", stdin=b"hello").json["ids"]
        self.assertEqual(answer["prompt_tokens"], len(ids))
        self.assertEqual(answer["stop_reason"], "length")
        self.assertIsInstance(answer["seed"], int)
        for name in ("load_s", "prefill_s", "decode_s", "prefill_tok_s", "decode_tok_s"):
            self.assertIsInstance(answer["timings"][name], (int, float), name)
            self.assertGreaterEqual(answer["timings"][name], 0, name)

    def test_temperature_0_gives_the_same_tokens(self):
        first = self.answer("hello", "--temp", "0", "--max-tokens", "50")["tokens"]
        self.assertEqual(self.answer("hello", "--temp", "0", "--max-tokens", "50")["tokens"], first)
        self.assertEqual(
            self.answer("hello", "--temp", "0", "--max-tokens", "50", "--threads", "1")["tokens"], first)

    def test_a_seed_makes_draws_reproducible(self):
        draw = ("hello", "--temp", "2", "--max-tokens", "40")
        first = self.answer(*draw, "--seed", "7")
        self.assertEqual(self.answer(*draw, "--seed", "7")["tokens"], first["tokens"])
        self.assertNotEqual(self.answer(*draw, "--seed", "8")["tokens"], first["tokens"])
        # One that nobody chose is said, and can be given back; any 64 bits will do.
        drawn = self.answer(*draw)
        self.assertLess(drawn["seed"], 1 << 53)
        self.assertEqual(self.answer(*draw, "--seed", str(drawn["seed"]))["tokens"], drawn["tokens"])
        self.assertEqual(self.answer(*draw, "--seed", str(2**64 - 1))["seed"], 2**64 - 1)

    def test_an_answer_is_held_to_what_it_is_asked_for(self):
        hot = ("--temp", "5", "--top-k", "0", "--min-p", "0", "--top-p", "1", "--max-tokens", "200")
        for seed in range(3):
            self.assertRegex(self.answer("x", *hot, "--seed", str(seed), "--regex", "[a-c]{2}(x|yz)")["text"],
                             r"\A[a-c]{2}(x|yz)\Z")
        schema = self.write("schema.json", json.dumps(
            {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9, "minimum": 1}}, "required": ["n"]}))
        answer = self.answer("x", *hot, "--json-schema", schema)
        self.assertIn(json.loads(answer["text"])["n"], range(1, 10))
        self.assertEqual(answer["stop_reason"], "eos")
        grammar = self.write("g.gbnf", 'root ::= "yes" | "no"')
        self.assertIn(self.answer("x", *hot, "--grammar", grammar)["text"], ("yes", "no"))
        self.assertTrue(self.answer("x", *hot, "--format", "json")["text"].startswith("{"))
        guessed = ("ababab", "--temp", "0", "--regex", "(ab)*c", "--max-tokens", "40")
        self.assertEqual(self.answer(*guessed, "--guess", "5")["tokens"], self.answer(*guessed)["tokens"])

    def test_a_form_that_cannot_be_held_to_is_refused(self):
        self.fails("run", TINY, "x", "--format", "yaml", code=2, saying="takes json")
        self.fails("run", TINY, "x", "--regex", "(?=a)", code=2, saying="look-around")
        self.fails("run", TINY, "x", "--json-schema", self.write("s.json", '{"not": {}}'), code=2, saying='"not"')
        self.fails("run", TINY, "x", "--grammar", self.write("g", "root ::= root"), code=2, saying="left recursion")
        self.fails("run", TINY, "x", "--grammar", "/no/such/file", saying="cannot be opened")
        self.fails("run", TINY, "x", "--regex", "a", "--format", "json", code=2)

    def test_guesses_change_nothing_but_time(self):
        for sampling in (("--temp", "0"), ("--temp", "3", "--seed", "4")):
            words = ("one two one two one two", *sampling, "--max-tokens", "60", "--logit-bias", f"{TINY_EOS}=-inf")
            plain = self.answer(*words)
            guessed = self.answer(*words, "--guess", "5")
            self.assertEqual(guessed["tokens"], plain["tokens"])
            self.assertEqual(plain["timings"]["guessed_tokens"], 0)
            self.assertLessEqual(guessed["timings"]["right_guesses"], guessed["timings"]["guessed_tokens"])
        self.fails("run", TINY, "hello", "--guess", "8", code=2)

    def test_a_draft_model_changes_nothing_but_time(self):
        words = ("hello", "--temp", "0", "--max-tokens", "40", "--logit-bias", f"{TINY_EOS}=-inf")
        plain = self.answer(*words)
        drafted = self.answer(*words, "--draft", TINY)
        self.assertEqual(drafted["tokens"], plain["tokens"])
        self.assertGreater(drafted["timings"]["right_guesses"], 20)
        self.fails("run", TINY, "hello", "--draft", "no-such-model", saying="no-such-model")

    def test_max_tokens(self):
        for n in (0, 1, 5):
            answer = self.answer("hello", "--temp", "0", "--max-tokens", str(n))
            self.assertEqual(len(answer["tokens"]), n)
            self.assertEqual(answer["stop_reason"], "length")
        self.assertEqual(self.answer("hello", "--temp", "0", "--max-tokens", "0")["text"], "")

    def test_a_full_context_is_said(self):
        words = ("hello", "--temp", "0", "--logit-bias", f"{TINY_EOS}=-inf", "--ctx", "20")
        answer = self.answer(*words)
        self.assertEqual(answer["stop_reason"], "context")
        self.assertIn(answer["prompt_tokens"] + len(answer["tokens"]), (20, 21))
        plain = self.ok("run", TINY, *words)
        self.assertIn("context of 20 tokens is full", plain.said)
        whole = self.answer("hello", "--temp", "0", "--logit-bias", f"{TINY_EOS}=-inf", "--max-tokens", "-1")
        self.assertEqual(whole["stop_reason"], "context")
        self.assertIn(whole["prompt_tokens"] + len(whole["tokens"]), (TINY_CONTEXT, TINY_CONTEXT + 1))

    def test_a_prompt_longer_than_the_context_is_refused(self):
        self.fails("run", TINY, "a long prompt indeed", "--ctx", "4", saying=r"prompt has \d+ tokens.*holds 4")
        self.fails("run", TINY, "hi", "--ctx", "1000", saying="1000 tokens is over the model's 256")
        begin = time.monotonic()
        self.fails("run", TINY, "-", stdin=b"word " * 200_000, saying=r"prompt has \d+ tokens")
        self.assertLess(time.monotonic() - begin, 60)

    def test_stop_strings_end_the_answer_before_them(self):
        forced = ("hello", "--temp", "0", "--max-tokens", "6", "--logit-bias", "65=100")
        self.assertEqual(self.answer(*forced)["text"], "AAAAAA")
        answer = self.answer(*forced, "--stop", "AAA")
        self.assertEqual((answer["text"], answer["stop_reason"], answer["stop_string"]), ("", "stop", "AAA"))
        text = self.answer("hello", "--temp", "0", "--max-tokens", "30")["text"]
        at = next(i for i in range(1, len(text)) if text[i].isalnum() and text.index(text[i]) == i)
        answer = self.answer("hello", "--temp", "0", "--max-tokens", "30", "--stop", "nowhere", "--stop", text[at])
        self.assertEqual(answer["text"], text[:at])
        self.assertEqual(answer["stop_string"], text[at])
        self.assertEqual(self.answer(*forced, "--stop", "zzz")["text"], "AAAAAA")

    def test_logit_bias(self):
        self.assertEqual(self.answer("hello", "--max-tokens", "3", "--logit-bias", "66=100")["text"], "BBB")
        free = self.answer("hello", "--temp", "0", "--max-tokens", "1")["tokens"][0]
        barred = self.answer("hello", "--temp", "0", "--max-tokens", "1", "--logit-bias", f"{free}=-inf")
        self.assertNotEqual(barred["tokens"][0], free)
        self.fails("run", TINY, "hi", "--logit-bias", "99999=1", saying="token 99999")
        for wrong in ("x", "1", "1=", "=1", "1=x", "1=nan", "1=inf", "1.5=2"):
            self.fails("run", TINY, "hi", "--logit-bias", wrong, code=2)

    def test_penalties_are_taken(self):
        plain = self.answer("hello", "--temp", "0", "--max-tokens", "20")["tokens"]
        for flags in (("--repeat-penalty", "50"), ("--presence-penalty", "50"), ("--frequency-penalty", "50")):
            tokens = self.answer("hello", "--temp", "0", "--max-tokens", "20", *flags)["tokens"]
            self.assertNotEqual(tokens, plain, flags)
            self.assertEqual(len(set(tokens)), 20, flags)

    def test_template_system_and_raw(self):
        template = self.write("t.jinja", "{% for m in messages %}[{{m.role}}]{{m.content}}<|end|>{% endfor %}"
                                         "{% if add_generation_prompt %}[assistant]{% endif %}")
        def count(text):
            return len(self.ok("tokenize", TINY, "--json", "--special", stdin=text.encode()).json["ids"])
        def prompt_tokens(*words):
            return self.answer("Hi", "--max-tokens", "1", *words)["prompt_tokens"]
        self.assertEqual(prompt_tokens("--template", template), count("[user]Hi<|end|>[assistant]"))
        self.assertEqual(prompt_tokens("--template", template, "--system", "Be kind"),
                         count("[system]Be kind<|end|>[user]Hi<|end|>[assistant]"))
        self.assertEqual(prompt_tokens("--template", template, "--raw"), count("Hi"))
        self.fails("run", TINY, "Hi", "--template", self.write("bad.jinja", "{% if %}"), saying="line 1")
        refuses = self.write("refuses.jinja", "{{ raise_exception('users may not speak') }}")
        self.fails("run", TINY, "Hi", "--template", refuses, saying="users may not speak")
        self.fails("run", TINY, "Hi", "--template", "nowhere.jinja", saying="nowhere.jinja cannot be opened")

    def test_special_tokens_in_a_users_text_are_text_without_a_template(self):
        answer = self.answer("<|end|>", "--max-tokens", "1")
        self.assertGreater(answer["prompt_tokens"], 1)

    def test_the_prompt_comes_from_words_or_from_stdin(self):
        def tokens(*words, **more):
            return self.answer(*words, "--max-tokens", "1", **more)["prompt_tokens"]
        self.assertEqual(tokens("two words"), 9 - self.merged("two words"))
        self.assertEqual(tokens("two", "words"), tokens("two words"))
        for words in (("-",), ()):
            self.assertEqual(tokens(*words, stdin=b"two words"), tokens("two words"))
            self.assertEqual(tokens(*words, stdin=b"two words\n"), tokens("two words"))
        self.assertEqual(tokens("-", "--raw", stdin=b"two words\n"), tokens("two words") + 1)
        self.assertEqual(tokens("-5 + 3"), 6 - self.merged("-5 + 3"))
        flag = self.ok("run", TINY, "--max-tokens", "1", "--json", "--", "--temp").json
        self.assertEqual(flag["prompt_tokens"], 6 - self.merged("--temp"))

    def merged(self, text):
        return len(text) - len(self.ok("tokenize", TINY, "--json", stdin=text.encode()).json["ids"])

    def test_an_empty_prompt_is_refused(self):
        self.fails("run", TINY, "", saying="the prompt is empty")
        self.fails("run", TINY, "-", stdin=b"", saying="the prompt is empty")
        self.fails("run", TINY, saying="the prompt is empty")

    def test_a_prompt_that_is_not_utf8(self):
        for prompt in (b"\xff\xfe abc", b"\xc3", b"\xed\xa0\x80", b"a\x00b", bytes(range(64, 256, 3))):
            answer = self.answer("-", "--max-tokens", "2", stdin=prompt)
            self.assertEqual(len(answer["tokens"]), 2)
        template = self.write("t.jinja", "{{ messages[0].content }}")
        self.answer("-", "--max-tokens", "2", "--template", template, stdin=b"\xff\xfe abc")

    def test_the_answer_is_on_stdout_and_nothing_else(self):
        forced = ("hello", "--max-tokens", "3", "--logit-bias", "66=100")
        plain = self.ok("run", TINY, *forced)
        self.assertEqual((plain.out, plain.err), (b"BBB\n", b""))
        talkative = self.ok("run", TINY, *forced, "--verbose")
        self.assertEqual(talkative.out, b"BBB\n")
        self.assertRegex(talkative.said, r"answer +3 tokens.*ended by: length")

    def test_ctrl_c_keeps_what_was_answered(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("run", self.long_model(), "hello", *ENDLESS)
            self.assertEqual(process.stdout.read(3), b"AAA")
            process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE)
            self.assertEqual(process.returncode, 128 + number)
            self.assertRegex(out, rb"^A*\n$")
            self.assertEqual(err, b"uma: stopped\n")

    def test_ctrl_c_with_json_gives_the_part_that_is_there(self):
        process = self.start("run", self.long_model(), "hello", *ENDLESS, "--json")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 130)
        self.assertIn(b'"stop_reason":"cancelled"', out)

    def test_a_reader_that_goes_away_ends_it_with_a_sentence(self):
        process = self.start("run", self.long_model(), "hello", *ENDLESS)
        self.assertEqual(process.stdout.read(1), b"A")
        process.stdout.close()
        self.assertEqual(process.wait(60), 1)
        self.assertRegex(process.stderr.read(), rb"standard output cannot be written: Broken pipe")

    def test_exact_is_taken(self):
        self.assertEqual(len(self.answer("hello", "--exact", "--temp", "0", "--max-tokens", "4")["tokens"]), 4)
        for bits in ("8", "16", "32"):
            args = ("hello", "--kv-bits", bits, "--temp", "0", "--max-tokens", "4")
            self.assertEqual(len(self.answer(*args)["tokens"]), 4)


if __name__ == "__main__":
    main()
