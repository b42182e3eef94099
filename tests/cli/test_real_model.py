"""The command line with gemma3:270m, where UMA_TEST_MODEL_GEMMA3 says that it is."""
import math
import os
import signal
import sys

from support import PATIENCE, BINARY, SKIPPED, CliTest, Terminal, main, read_npy

MODEL = os.environ.get("UMA_TEST_MODEL_GEMMA3", "")
BOS, VOCABULARY = 2, 262144
COUNT = "1, 2, 3, 4, 5, 6, 7,"
TEXT = "The capital of France is Paris. The capital of Italy is Rome."


class RealModel(CliTest):
    def test_it_counts(self):
        answer = self.ok("run", MODEL, COUNT, "--temp", "0", "--max-tokens", "5", "--json").json
        self.assertEqual(answer["text"], " 8, 9")
        plain = self.ok("run", MODEL, "-", "--temp", "0", "--max-tokens", "5", stdin=COUNT.encode() + b"\n")
        self.assertEqual(plain.text, answer["text"] + "\n")

    def test_tokens_begin_with_bos_where_the_model_says_so(self):
        document = self.ok("tokenize", MODEL, "--json", stdin=b"Hello <eos>").json
        self.assertEqual(document["ids"][0], BOS)
        self.assertEqual(document["ids"].count(BOS), 1)
        self.assertEqual("".join(document["pieces"][1:]), "Hello <eos>")
        special = self.ok("tokenize", MODEL, "--json", "--special", stdin=b"Hello<eos>").json
        self.assertEqual(special["pieces"][-1], "<eos>")
        answer = self.ok("run", MODEL, "Hello <eos>", "--max-tokens", "1", "--json").json
        self.assertEqual(answer["prompt_tokens"], len(document["ids"]))

    def test_perplexity_and_its_logits(self):
        ids = self.ok("tokenize", MODEL, "--json", stdin=TEXT.encode()).json["ids"]
        result = self.ok("perplexity", MODEL, self.write("text", TEXT), "--ctx", "64", "--logits-out", "l.npy",
                         "--json").json
        shape, logits = read_npy(self.folder / "l.npy")
        self.assertEqual(shape, (len(ids), VOCABULARY))
        self.assertEqual(result["tokens"], len(ids) - 1)
        total = 0.0
        for i in range(len(ids) - 1):
            row = logits[i * VOCABULARY:(i + 1) * VOCABULARY]
            best = max(row)
            total += math.log(sum(map(math.exp, (x - best for x in row)))) + best - row[ids[i + 1]]
        self.assertAlmostEqual(result["nll"], total / (len(ids) - 1), places=5)
        self.assertLess(result["perplexity"], 30)

    def test_ctrl_c(self):
        process = self.start("run", MODEL, "Once upon a time", "--temp", "0", "--logit-bias", "1=-inf", "--ctx", "30000")
        self.assertTrue(process.stdout.read(1))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, err), (130, b"uma: stopped\n"))

    def test_ctrl_c_while_a_long_prompt_is_read(self):
        with open(self.write("long", "The quick brown fox jumps over the lazy dog. " * 2500)) as stdin:
            terminal = Terminal([BINARY, "run", MODEL, "-", "--ctx", "30000", "--max-tokens", "1"], self.env,
                                self.folder, stdin=stdin)
        self.addCleanup(terminal.close)
        terminal.wait_for(r"reading the prompt \[=* *\] \d+ of \d+ tokens")
        terminal.send("\x03")
        self.assertEqual(terminal.ended(), 130)

    def test_a_chat_without_a_template_says_so(self):
        terminal = Terminal([BINARY, "run", MODEL, "--temp", "0", "--max-tokens", "5"], self.env, self.folder)
        self.addCleanup(terminal.close)
        terminal.wait_for("no chat template.*>>> ")
        terminal.send(COUNT + "\r")
        terminal.wait_for(r"(\n|\x1b\[K)(\x1b\[\?2004l)? 8, 9\r\n.*>>> ")  # after a bar, where reading takes time
        terminal.send("\x04")
        self.assertEqual(terminal.ended(), 0)


if __name__ == "__main__":
    if not os.path.isfile(MODEL):
        print("SKIP: UMA_TEST_MODEL_GEMMA3 does not say where the model is")
        sys.exit(SKIPPED)
    main()
