"""``uma.lm``: answers, alone and in batches."""

import json
import math
import subprocess

import numpy as np
import pytest
import tiny_lm
import uma.core as mx
from uma.lm import batch_generate, generate, load, stream_generate
from uma.lm.generate import generate_step
from uma.lm.models.cache import make_prompt_cache
from uma.lm.sample_utils import make_logits_processors, make_sampler

PROMPT = "the cat and the "


def tokens_of(model, tokenizer, prompt=PROMPT, **keywords):
    return [r.token for r in stream_generate(model, tokenizer, prompt, **keywords)]


def run_binary(model, prompt, *flags):
    argv = [tiny_lm.binary(), "run", model, prompt, "--json", "--offline", *flags]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# -- what is answered


@pytest.mark.parametrize("kind", tiny_lm.KINDS)
def test_greedy_tokens_are_the_largest_logits(kind):
    """Against the whole sequence read at once, without a cache."""
    model, tokenizer = tiny_lm.opened(kind, exact=True)
    ids = tokenizer.encode(PROMPT)
    tokens = tokens_of(model, tokenizer, ids, max_tokens=12)
    rows = np.array(model(mx.array([ids + tokens[:-1]])))[0, len(ids) - 1 :]
    for row, token in zip(rows, tokens):
        assert row[token] >= row.max() - 1e-3


@pytest.mark.parametrize("kind", ["qwen2", "gemma3"])
def test_the_same_answer_as_the_command_line(kind):
    path = str(tiny_lm.MODELS / f"{kind}.gguf")
    model, tokenizer = tiny_lm.opened(kind)
    want = run_binary(path, PROMPT, "--raw", "--temp", "0", "--max-tokens", "24")
    assert generate(model, tokenizer, PROMPT, max_tokens=24) == want["text"]
    assert tokens_of(model, tokenizer, max_tokens=24) == want["tokens"]
    flags = "--temp 0.9 --top-k 30 --top-p 0.9 --min-p 0.02 --repeat-penalty 1.2 --seed 7 --logit-bias 65=-2".split()
    want = run_binary(path, PROMPT, "--raw", "--max-tokens", "24", "--repeat-last-n", "16", *flags)
    options = {"temp": 0.9, "top_k": 30, "top_p": 0.9, "min_p": 0.02, "repetition_penalty": 1.2, "seed": 7}
    got = tokens_of(
        model, tokenizer, max_tokens=24, logit_bias={65: -2}, repetition_context_size=16, **options
    )
    assert got == want["tokens"]


def test_gemma3_270m_answers_as_the_command_line_and_the_golden_file():
    name = tiny_lm.gemma3()
    model, tokenizer = load(name)
    want = run_binary(name, "1, 2, 3, 4, 5,", "--temp", "0", "--max-tokens", "12")
    assert generate(model, tokenizer, "1, 2, 3, 4, 5,", max_tokens=12) == want["text"]
    assert tokens_of(model, tokenizer, "1, 2, 3, 4, 5,", max_tokens=12) == want["tokens"]
    exact, _ = load(name, exact=True)
    for case in json.loads((tiny_lm.MODELS / "gemma3_270m.json").read_text())[:2]:
        assert tokenizer.encode(case["text"]) == case["prompt"]
        assert tokens_of(exact, tokenizer, case["prompt"], max_tokens=8) == case["greedy"][:8]


def test_a_seed_is_an_answer():
    model, tokenizer = tiny_lm.opened()
    draw = lambda **k: tokens_of(model, tokenizer, max_tokens=20, temp=1.0, **k)  # noqa: E731
    assert draw(seed=3) == draw(seed=3) != draw(seed=4)
    mx.random.seed(11)
    first = draw()
    assert first != draw()  # the state went on
    mx.random.seed(11)
    assert draw() == first


def test_responses():
    model, tokenizer = tiny_lm.opened()
    seen = []
    watched = {"prompt_progress_callback": lambda *a: seen.append(a), "prefill_step_size": 4}
    responses = list(stream_generate(model, tokenizer, PROMPT, max_tokens=5, **watched))
    count = len(tokenizer.encode(PROMPT))
    assert [r.generation_tokens for r in responses] == [1, 2, 3, 4, 5]
    assert [r.finish_reason for r in responses] == [None] * 4 + ["length"]
    assert all(r.prompt_tokens == count and r.prompt_tps > 0 and not r.from_draft for r in responses)
    assert responses[-1].generation_tps > 0 and responses[-1].peak_memory > 0
    assert seen == [(min(i, count), count) for i in range(0, count + 4, 4)]
    logprobs = responses[0].logprobs
    assert logprobs.shape == (tiny_lm.VOCAB,) and logprobs.dtype == mx.float32
    assert math.isclose(mx.exp(logprobs).sum().item(), 1, abs_tol=1e-5)
    assert mx.argmax(logprobs).item() == responses[0].token
    want = model(mx.array([tokenizer.encode(PROMPT)]))[0, -1]
    assert mx.allclose(logprobs, want - mx.logsumexp(want), atol=1e-3).item()


def test_text_comes_in_whole_characters_and_stops_before_a_stop_string():
    model, tokenizer = tiny_lm.opened()
    a, ring = (tokenizer.encode(c, False) for c in ("a", "é"))
    assert len(ring) == 2  # this vocabulary spells it in two tokens
    script = a + ring + a + a + ring
    forced = lambda: iter(script + a * 50)  # noqa: E731

    def answer(**keywords):
        next_token = forced()
        sampler = lambda logprobs: mx.array([next(next_token)])  # noqa: E731
        return list(stream_generate(model, tokenizer, PROMPT, sampler=sampler, **keywords))

    assert [r.text for r in answer(max_tokens=6)] == ["a", "", "é", "a", "a", "\ufffd"]
    stopped = answer(max_tokens=20, stop=["zz", "aa"])
    assert "".join(r.text for r in stopped) == "aé"
    assert stopped[-1].finish_reason == "stop" and stopped[-1].stop_reason == "stop"
    assert "".join(r.text for r in answer(max_tokens=4, stop="ab")) == "aéa"  # what was held back comes out
    assert "".join(r.text for r in answer(max_tokens=3, stop="éb")) == "aé"


def test_an_answer_ends_with_the_models_end():
    model, tokenizer = tiny_lm.opened()
    assert tokenizer.eos_token_ids == {tiny_lm.EOS} or tiny_lm.EOS in tokenizer.eos_token_ids
    responses = list(stream_generate(model, tokenizer, PROMPT, max_tokens=9, logit_bias={tiny_lm.EOS: 1e4}))
    assert [(r.token, r.text, r.finish_reason, r.stop_reason) for r in responses] == [(tiny_lm.EOS, "", "stop", "eos")]
    other = tiny_lm.fresh_tokenizer()
    second = tokens_of(model, other, max_tokens=4)[1]
    other.eos_token_ids = {second}
    assert tokens_of(model, other, max_tokens=4)[-1] == second


# -- limits and errors


def test_a_full_context_ends_the_answer():
    model, tokenizer = tiny_lm.opened()
    never = {tiny_lm.EOS: -math.inf, tiny_lm.EOS - 1: -math.inf}
    ids = [5] * 250
    responses = list(stream_generate(model, tokenizer, ids, max_tokens=-1, logit_bias=never))
    assert len(responses) == tiny_lm.CONTEXT - 250 + 1
    assert (responses[-1].finish_reason, responses[-1].stop_reason) == ("length", "context")
    assert len(list(stream_generate(model, tokenizer, ids[:10], max_kv_size=16, logit_bias=never))) == 7
    assert len(list(generate_step(ids[:10], model, max_kv_size=16, max_tokens=-1))) == 7
    with pytest.raises(ValueError, match="the prompt has 257 tokens, the context holds 256"):
        stream_generate(model, tokenizer, [5] * 257)


@pytest.mark.parametrize(
    "keywords",
    [
        {"temp": -1},
        {"temp": "hot"},
        {"temp": math.nan},
        {"top_p": 1.5},
        {"top_k": -1},
        {"top_k": 2.5},
        {"min_p": 2},
        {"seed": -1},
        {"seed": 2**70},
        {"repetition_penalty": -1},
        {"repetition_context_size": -2},
        {"presence_penalty": math.inf},
        {"logit_bias": [1]},
        {"logit_bias": {tiny_lm.VOCAB: 1.0}},
        {"logit_bias": {-1: 1.0}},
        {"logit_bias": {2**40: 1.0}},
        {"max_tokens": 0},
        {"max_tokens": -2},
        {"max_tokens": 1.5},
        {"stop": ""},
        {"stop": [3]},
        {"sampler": 3},
        {"sampler": mx.argmax, "temp": 0.5},
        {"logits_processors": [3]},
        {"prompt_cache": []},
        {"prompt_cache": [None]},
        {"kv_bits": 8},
        {"max_kv_size": 0},
        {"max_kv_size": 300},
        {"prefill_step_size": 0},
        {"prompt_progress_callback": 3},
        {"prompt": ""},
        {"prompt": []},
        {"prompt": [tiny_lm.VOCAB]},
        {"prompt": [-1]},
        {"prompt": [2**40]},
        {"prompt": [True]},
        {"prompt": 3},
        {"prompt": mx.array([[1]])},
        {"prompt": mx.array([1.0])},
    ],
    ids=str,
)
def test_bad_values_are_refused_at_once(keywords):
    model, tokenizer = tiny_lm.opened()
    with pytest.raises(ValueError) as e:
        stream_generate(model, tokenizer, **{"prompt": PROMPT, **keywords})
    assert "\n" not in str(e.value)


def test_unknown_keywords_are_named():
    model, tokenizer = tiny_lm.opened()
    for call in (generate, stream_generate, batch_generate):
        with pytest.raises(TypeError, match="'temperature'"):
            call(model, tokenizer, ["a"] if call is batch_generate else "a", temperature=1)
    with pytest.raises(TypeError, match="'stop'"):
        generate_step([1], model, stop="x")
    with pytest.raises(TypeError, match="the tokenizer is what uma.lm.load gives"):
        generate(model, None, "a")


@pytest.mark.parametrize("wrong", [mx.array([1, 2]), mx.array([0.5]), 300, -1, "a"], ids=str)
def test_what_a_sampler_gives_must_be_a_token(wrong):
    model, tokenizer = tiny_lm.opened()
    with pytest.raises(ValueError, match="the sampler gave"):
        generate(model, tokenizer, PROMPT, sampler=lambda logprobs: wrong)


# -- functions as samplers


def test_samplers_and_processors_are_functions_on_arrays():
    model, tokenizer = tiny_lm.opened()
    greedy = tokens_of(model, tokenizer, max_tokens=8)
    assert tokens_of(model, tokenizer, max_tokens=8, sampler=make_sampler()) == greedy
    shapes = []

    def forbid(tokens, logits):
        shapes.append((tokens.shape, tokens.dtype, logits.shape))
        return mx.where(mx.arange(tiny_lm.VOCAB) == greedy[0], -mx.inf, logits)

    got = tokens_of(model, tokenizer, max_tokens=3, logits_processors=[forbid])
    count = len(tokenizer.encode(PROMPT))
    assert got[0] != greedy[0]
    assert shapes == [((count + i,), mx.uint32, (1, tiny_lm.VOCAB)) for i in range(3)]
    # the engine's penalties and the functions' give one answer
    penalties = {"repetition_penalty": 1.5, "presence_penalty": 0.3, "frequency_penalty": 0.2, "logit_bias": {70: 3.0}}
    by_name = tokens_of(model, tokenizer, max_tokens=16, **penalties)
    assert by_name != tokens_of(model, tokenizer, max_tokens=16)
    assert by_name == tokens_of(model, tokenizer, max_tokens=16, sampler=make_sampler(), **penalties)
    assert by_name == tokens_of(model, tokenizer, max_tokens=16, logits_processors=make_logits_processors(**penalties))


SAMPLERS = [
    {"temp": 0.8},
    {"temp": 0.7, "top_p": 0.9},
    {"temp": 1.2, "top_k": 12},
    {"temp": 1.0, "min_p": 0.05, "min_tokens_to_keep": 4},
    {"temp": 0.9, "top_p": 0.95, "min_p": 0.01, "top_k": 8},
]


@pytest.mark.parametrize("options", SAMPLERS, ids=str)
def test_samplers_keep_what_they_should(options):
    """Against NumPy: every draw lies among the tokens that the filters leave, and all of these come up."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal(32).astype(np.float32) * 2
    logprobs = logits - np.log(np.exp(logits).sum())
    kept = _kept(logprobs, **options)
    mx.random.seed(5)
    sampler = make_sampler(**options)
    drawn = sampler(mx.broadcast_to(mx.array(logprobs), (4000, 32)))
    counts = np.bincount(np.array(drawn), minlength=32)
    assert set(np.flatnonzero(counts)) <= set(kept)
    p = np.exp(logprobs[kept] / options["temp"])
    p /= p.sum()
    assert np.abs(counts[kept] / 4000 - p).max() < 0.04


def _kept(logprobs, top_p=1, min_p=0, min_tokens_to_keep=1, top_k=0, **_):
    order = np.argsort(-logprobs)
    p = np.exp(logprobs[order])
    n = len(order) if not 0 < top_p < 1 else int(np.searchsorted(np.cumsum(p), top_p)) + 1
    if min_p:
        n = min(n, max(int((p >= min_p * p[0]).sum()), min_tokens_to_keep))
    return order[: min(n, top_k) if top_k else n]


def test_xtc_drops_all_but_the_least_of_the_likely():
    logprobs = mx.log(mx.array([[0.5, 0.3, 0.15, 0.05]]))
    always = make_sampler(temp=1.0, xtc_probability=1.0, xtc_threshold=0.1)
    assert {always(logprobs).item() for _ in range(60)} == {2, 3}
    spared = make_sampler(temp=1.0, xtc_probability=1.0, xtc_threshold=0.1, xtc_special_tokens=[0])
    assert {spared(logprobs).item() for _ in range(60)} == {0, 2, 3}


# -- batches


@pytest.mark.parametrize("kind", ["qwen2", "gemma3", "llama"])
@pytest.mark.parametrize("at_once", [1, 2, 32])
def test_a_prompt_in_a_batch_gives_what_it_gives_alone(kind, at_once):
    model, tokenizer = tiny_lm.opened(kind)
    prompts = ["the cat", "and on the other hand of the", "t", "in", PROMPT]
    most = [5, 12, 1, 9, 12]
    for options in ({}, {"temp": 0.8, "seed": 5}):
        got = batch_generate(
            model,
            tokenizer,
            prompts,
            max_tokens=most,
            return_token_ids=True,
            return_logprobs=True,
            completion_batch_size=at_once,
            **options,
        )
        for i, (prompt, n) in enumerate(zip(prompts, most)):
            one = {**options, "seed": options["seed"] + i} if options else {}
            alone = list(stream_generate(model, tokenizer, prompt, max_tokens=n, **one))
            assert got.token_ids[i] == [r.token for r in alone]
            assert got.texts[i] == "".join(r.text for r in alone)
            want = [r.logprobs[r.token].item() for r in alone]
            assert np.allclose(got.logprobs[i], want, atol=2e-2)
    assert got.caches is None
    stats = got.stats
    assert stats.generation_tokens == sum(most)
    assert stats.prompt_tokens == sum(len(tokenizer.encode(p)) for p in prompts)
    # all but the first token of each come by steps, and a step gives one to each that runs
    assert stats.generation_steps == {1: sum(most) - 5, 2: stats.generation_steps, 32: 11}[at_once]
    assert stats.prompt_tps > 0 and stats.decode_tps > 0 and stats.generation_tps > 0


def test_batches_take_caches_and_leave_them_as_they_were():
    model, tokenizer = tiny_lm.opened()
    cache = make_prompt_cache(model)
    list(stream_generate(model, tokenizer, PROMPT, max_tokens=3, prompt_cache=cache))
    before = cache[0].offset
    got = batch_generate(model, tokenizer, ["on", "in"], [cache, None], 4, return_prompt_caches=True)
    assert cache[0].offset == before
    on, within = len(tokenizer.encode("on")), len(tokenizer.encode("in"))
    assert [c[0].offset for c in got.caches] == [before + on + 4, within + 4]
    assert got.texts[0] == generate(model, tokenizer, "on", max_tokens=4, prompt_cache=cache)


def test_batches_check_before_they_compute():
    model, tokenizer = tiny_lm.opened()
    assert batch_generate(model, tokenizer, []).texts == []
    for keywords in ({"max_tokens": [1]}, {"prompt_caches": [None]}, {"completion_batch_size": 0}, {"max_tokens": 0}):
        with pytest.raises(ValueError):
            batch_generate(model, tokenizer, ["a", "b"], **keywords)
    with pytest.raises(ValueError, match="the prompt is empty"):
        batch_generate(model, tokenizer, ["a", []])


def test_verbose_tells_how_fast(capsys):
    model, tokenizer = tiny_lm.opened()
    text = generate(model, tokenizer, PROMPT, verbose=True, max_tokens=4)
    said = capsys.readouterr().out
    assert said.startswith("=" * 10 + "\n" + text) and "Generation: 4 tokens, " in said and "Peak memory: " in said
    batch_generate(model, tokenizer, [PROMPT], verbose=True, max_tokens=4)
    assert "1/1 answers" in capsys.readouterr().out
