"""uma perplexity and uma bench."""
import math
import os
import resource
import signal
import time

from support import PATIENCE, TINY, TINY_CONTEXT, TINY_VOCAB, CliTest, main, read_npy

TEXT = "The quick brown fox, it seems, is on the other side of the wall and will not come back.\n"


def nll(row, token):
    best = max(row)
    return math.log(sum(math.exp(x - best) for x in row)) + best - row[token]


class Perplexity(CliTest):
    def score(self, text, *words):
        return self.ok("perplexity", TINY, self.write("text", text), "--json", *words).json

    def ids(self, text):
        return self.ok("tokenize", TINY, "--json", stdin=text.encode()).json["ids"]

    def test_nll_is_what_the_logits_say(self):
        ids = self.ids(TEXT)
        result = self.score(TEXT, "--ctx", "128", "--logits-out", "logits.npy")
        shape, logits = read_npy(self.folder / "logits.npy")
        self.assertEqual(shape, (len(ids), TINY_VOCAB))
        self.assertEqual(len(logits), len(ids) * TINY_VOCAB)
        self.assertEqual(result["tokens"], len(ids) - 1)
        total = sum(nll(logits[i * TINY_VOCAB:(i + 1) * TINY_VOCAB], ids[i + 1]) for i in range(len(ids) - 1))
        self.assertAlmostEqual(result["nll"], total / (len(ids) - 1), places=6)
        self.assertAlmostEqual(result["perplexity"], math.exp(result["nll"]), delta=1e-9 * result["perplexity"])

    def test_windows(self):
        """Windows do not overlap, the first token of each is not scored, the last may be shorter."""
        ids = self.ids(TEXT * 3)
        n = 16
        sizes = [min(n, len(ids) - begin) for begin in range(0, len(ids), n)]
        result = self.score(TEXT * 3, "--ctx", str(n), "--logits-out", "logits.npy")
        self.assertEqual(result["tokens"], sum(size - 1 for size in sizes))
        self.assertEqual(read_npy(self.folder / "logits.npy")[0], (n, TINY_VOCAB))
        whole = self.score(TEXT * 3, "--ctx", str(TINY_CONTEXT))
        self.assertNotEqual(whole["nll"], result["nll"])

    def test_logits_do_not_depend_on_what_comes_after(self):
        self.score(TEXT, "--ctx", "8", "--logits-out", "a.npy")
        self.score(TEXT, "--ctx", "32", "--logits-out", "b.npy")
        _, short = read_npy(self.folder / "a.npy")
        _, long = read_npy(self.folder / "b.npy")
        self.assertLess(max(abs(a - b) for a, b in zip(short, long)), 1e-3)

    def test_exact_and_threads(self):
        exact = self.score(TEXT, "--exact")
        self.assertAlmostEqual(exact["nll"], self.score(TEXT)["nll"], delta=0.05)
        self.assertEqual(self.score(TEXT, "--threads", "1"), self.score(TEXT))

    def test_for_people(self):
        line = self.ok("perplexity", TINY, self.write("text", TEXT)).text
        self.assertRegex(line, r"^\d+ tokens in 1 window of 256: nll \S+, perplexity \S+\n$")

    def test_faults_are_sentences(self):
        text = self.write("text", TEXT)
        self.fails("perplexity", TINY, text, "--ctx", "100000", saying="over the model's context of 256")
        self.fails("perplexity", TINY, self.write("empty", ""), saying="too few to score")
        self.fails("perplexity", TINY, self.write("one", "a"), saying="1 tokens?, too few to score")
        self.fails("perplexity", TINY, "nowhere", saying="nowhere cannot be opened")
        self.fails("perplexity", TINY, self.folder, saying="directory")
        # Before anything is loaded or scored: that may take hours.
        for place in ("no/folder.npy", "/dev/full", str(self.folder)):
            self.fails("perplexity", "no:model", text, "--logits-out", place, saying=place)

    def test_a_disk_that_is_full_leaves_no_part_of_the_logits(self):
        def little():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        text = self.write("text", TEXT)
        self.fails("perplexity", TINY, text, "--logits-out", "logits.npy", saying="logits.npy", preexec_fn=little)
        self.assertEqual([p for p in os.listdir(self.folder) if "logits" in p], [])

    def test_ctrl_c(self):
        process = self.start("perplexity", self.long_model(), self.write("text", TEXT * 60_000), "--ctx", "8192")
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, out), (130, b""), err)
        self.assertRegex(err, rb"stopped")


class Bench(CliTest):
    def test_json_has_the_fields_of_the_contract(self):
        words = ("bench", TINY, "--prompt", "64", "--gen", "8", "--runs", "2", "--threads", "1", "--json")
        one = self.ok(*words).json
        for name in ("load_s", "prefill_tok_s", "decode_tok_s", "peak_rss_bytes", "weight_bytes_per_token",
                     "read_gb_s", "int8_gop_s", "f32_gflop_s", "decode_share_of_read", "prefill_share_of_int8"):
            self.assertIsInstance(one[name], (int, float), name)
            self.assertGreater(one[name], 0, name)
        for name in ("peak_rss_bytes", "weight_bytes_per_token"):
            self.assertIsInstance(one[name], int, name)
        self.assertEqual((one["threads"], one["prompt"], one["gen"], one["depth"], one["batch"]), (1, 64, 8, 0, 1))
        many = self.ok(*words, "--batch", "4", "--depth", "32").json
        self.assertEqual((many["batch"], many["depth"]), (4, 32))
        self.assertEqual(many["weight_bytes_per_token"], one["weight_bytes_per_token"])
        self.assertGreater(many["kv_bytes"], one["kv_bytes"])

    def test_for_people(self):
        text = self.ok("bench", TINY, "--prompt", "16", "--gen", "4", "--runs", "1").text
        for word in ("load", "prefill", "decode", "memory"):
            self.assertIn(word, text)

    def test_more_than_the_context_holds(self):
        self.fails("bench", TINY, "--prompt", "250", "--gen", "10", saying="context of 256")

    def test_ctrl_c(self):
        process = self.start("bench", self.long_model(), "--gen", "500000", "--json")
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 130)
        self.assertIn(b'"code":"cancelled"', out)


if __name__ == "__main__":
    main()
