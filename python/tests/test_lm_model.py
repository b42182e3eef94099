"""``uma.lm``: the model as a function, prompt caches, threads."""

import copy
import gc
import threading
import weakref

import numpy as np
import pytest
import tiny_lm
import uma.core as mx
from uma.lm import generate, load, stream_generate
from uma.lm.generate import generate_step
from uma.lm.models.cache import can_trim_prompt_cache, make_prompt_cache, trim_prompt_cache

PROMPT = "the cat and the "


@pytest.mark.parametrize("kind", tiny_lm.KINDS)
def test_logits_are_those_of_transformers(kind):
    model, _ = tiny_lm.opened(kind, exact=True)
    tokens, rows = tiny_lm.golden(kind)
    logits = model(mx.array([tokens]))
    assert logits.shape == (1, len(tokens), tiny_lm.VOCAB) and logits.dtype == mx.float32
    got = np.array(logits)[0]
    for row, want in rows.items():
        assert np.abs(got[row] - want).max() < 1e-3
    # in pieces through a cache, and two at once
    cache = make_prompt_cache(model)
    parts = [model(mx.array([tokens[i:j]]), cache=cache) for i, j in ((0, 5), (5, 6), (6, len(tokens)))]
    assert np.abs(np.array(mx.concatenate(parts, axis=1))[0] - got).max() < 1e-3
    both = np.array(model(mx.array([tokens[:20], tokens[20:40]])))
    assert np.abs(both[0] - got[:20]).max() < 1e-3
    assert np.abs(both[1] - np.array(model(mx.array([tokens[20:40]])))[0]).max() < 1e-3


def test_a_hand_written_loop_gives_what_generate_gives():
    model, tokenizer = tiny_lm.opened()
    ids = tokenizer.encode(PROMPT)
    cache = make_prompt_cache(model)
    y, tokens = mx.array(ids), []
    for _ in range(12):
        logits = model(y[None], cache=cache)[:, -1, :]
        y = mx.argmax(logits, axis=-1)
        mx.async_eval(y)
        tokens.append(y.item())
    assert tokens == [r.token for r in stream_generate(model, tokenizer, ids, max_tokens=12)]
    assert tokens == [t for t, _ in generate_step(mx.array(ids), model, max_tokens=12)]
    assert cache[0].offset == len(ids) + 11
    mx.eval([c.state for c in cache])
    assert cache[0].nbytes == sum(a.nbytes for a in cache[0].state) > 0


def test_batches_of_rows_keep_their_caches():
    model, _ = tiny_lm.opened(exact=True)
    tokens, _ = tiny_lm.golden("qwen2")
    a, b = tokens[:12], tokens[12:24]
    cache = make_prompt_cache(model)
    model(mx.array([a[:9], b[:9]]), cache=cache)
    got = model(mx.array([a[9:], b[9:]]), cache=cache)
    for row, text in zip(got, (a, b)):
        assert mx.allclose(row, model(mx.array([text]))[0, 9:], atol=1e-3).item()
    with pytest.raises(ValueError, match="the cache holds 2 sequences, the tokens are 1"):
        model(mx.array([a]), cache=cache)
    with pytest.raises(ValueError, match="holds a batch"):
        generate_step(a, model, prompt_cache=cache)


def test_wrong_inputs():
    model, _ = tiny_lm.opened()
    for wrong in (mx.array([1, 2]), mx.array([[1.0]]), mx.zeros((1, 0), mx.int32), [[tiny_lm.VOCAB]], [[-1]]):
        with pytest.raises(ValueError):
            model(wrong)
    cache = make_prompt_cache(model)
    model(mx.zeros((1, 200), mx.int32), cache=cache)
    with pytest.raises(ValueError, match="200 \\+ 57 tokens are over the model's context of 256"):
        model(mx.zeros((1, 57), mx.int32), cache=cache)
    assert cache[0].offset == 200
    other, _ = tiny_lm.opened("llama")
    with pytest.raises(ValueError, match="made for another model"):
        other(mx.array([[1]]), cache=cache)
    with pytest.raises(ValueError, match="made for another model"):
        generate_step([1], other, prompt_cache=cache)
    with pytest.raises(ValueError, match="max_kv_size"):
        make_prompt_cache(model, max_kv_size=8)
    with pytest.raises(ValueError, match="what make_prompt_cache"):
        model(mx.array([[1]]), cache=[])


# -- caches


def test_an_answer_goes_on_where_its_cache_ended():
    model, tokenizer = tiny_lm.opened()
    ids, more = tokenizer.encode(PROMPT), tokenizer.encode(" on the", False)
    cache = make_prompt_cache(model)
    first = [r.token for r in stream_generate(model, tokenizer, ids, max_tokens=5, prompt_cache=cache)]
    assert cache[0].offset == len(ids) + 5
    progress = []
    options = {"prompt_cache": cache, "prompt_progress_callback": lambda *a: progress.append(a)}
    second = [r.token for r in stream_generate(model, tokenizer, more, max_tokens=5, **options)]
    assert progress[-1] == (len(more), len(more))
    whole = ids + first + more
    assert second == [r.token for r in stream_generate(model, tokenizer, whole, max_tokens=5)]
    # the token that was chosen last is no row of the logits that are asked for
    logits = model(mx.array([more]), cache=cache)
    assert logits.shape == (1, len(more), tiny_lm.VOCAB)
    want = model(mx.array([whole + second + more]))[:, -len(more) :]
    assert mx.allclose(logits, want, atol=2e-2).item()


def test_caches_are_cut_and_copied():
    model, tokenizer = tiny_lm.opened()
    ids = tokenizer.encode(PROMPT)
    cache = make_prompt_cache(model)
    assert cache[0].empty() and can_trim_prompt_cache(cache)
    answer = [r.token for r in stream_generate(model, tokenizer, ids, max_tokens=6, prompt_cache=cache)]
    twin = copy.deepcopy(cache)
    assert trim_prompt_cache(cache, 4) == 4 and cache[0].offset == len(ids) + 2
    assert twin[0].offset == len(ids) + 6
    going_on = generate_step([answer[2]], model, prompt_cache=cache, max_tokens=3)
    assert [t for t, _ in going_on] == answer[3:]
    # what one reads on does not reach the other
    want = generate(model, tokenizer, ids + answer + [7, 8], max_tokens=6)
    assert generate(model, tokenizer, [7, 8], max_tokens=6, prompt_cache=twin) == want
    assert trim_prompt_cache(cache, 10**6) == len(ids) + 6 and cache[0].empty()
    with pytest.raises(ValueError):
        cache[0].trim(-1)


def test_a_stream_that_is_left_leaves_a_cache_that_can_be_used():
    model, tokenizer = tiny_lm.opened()
    ids = tokenizer.encode(PROMPT)
    cache = make_prompt_cache(model)
    stream = stream_generate(model, tokenizer, ids, max_tokens=20, prompt_cache=cache)
    seen = [next(stream).token for _ in range(4)]
    stream.close()
    assert cache[0].offset == len(ids) + 4
    rest = [t for t, _ in generate_step([seen[-1]], model, prompt_cache=_trimmed(cache, 1), max_tokens=3)]
    assert seen + rest == [t for t, _ in generate_step(ids, model, max_tokens=7)]


def _trimmed(cache, n):
    trim_prompt_cache(cache, n)
    return cache


def test_an_error_in_a_callers_function_loses_nothing():
    model, tokenizer = tiny_lm.opened()
    ids = tokenizer.encode(PROMPT)
    cache = make_prompt_cache(model)

    def broken(tokens, logits):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        generate(model, tokenizer, ids, prompt_cache=cache, logits_processors=[broken])
    assert cache[0].offset == len(ids)
    trim_prompt_cache(cache, 1)
    alone = generate(model, tokenizer, ids, max_tokens=5)
    assert generate(model, tokenizer, ids[-1:], max_tokens=5, prompt_cache=cache) == alone


def test_a_prompt_that_does_not_fit_leaves_the_cache():
    model, tokenizer = tiny_lm.opened()
    cache = make_prompt_cache(model)
    generate(model, tokenizer, [5] * 200, max_tokens=1, prompt_cache=cache)
    with pytest.raises(ValueError, match="the prompt has 60 tokens and the cache 201, the context holds 256"):
        generate(model, tokenizer, [5] * 60, prompt_cache=cache)
    assert cache[0].offset == 201


# -- lifetimes and threads


def test_parts_outlive_what_they_came_from():
    model, tokenizer = load(str(tiny_lm.MODELS / "qwen2.gguf"))
    cache = make_prompt_cache(model)
    want = generate(model, tokenizer, PROMPT, max_tokens=4)
    stream = stream_generate(model, tokenizer, PROMPT, max_tokens=4, prompt_cache=cache)
    total = model(mx.array([[1, 2, 3]])).sum().item()
    logits = model(mx.array([[1, 2, 3]]))
    dead = weakref.ref(model)
    text = next(stream).text
    del model, tokenizer, cache
    gc.collect()
    assert dead() is not None  # the stream reads on
    assert text + "".join(r.text for r in stream) == want
    del stream
    gc.collect()
    assert dead() is None
    assert logits.sum().item() == total  # not yet computed: the mapped file is still there


def test_two_threads_answer_with_one_model():
    model, tokenizer = tiny_lm.opened()
    prompts = ["the cat", "and on the other hand", "in the"]
    want = [generate(model, tokenizer, p, max_tokens=24) for p in prompts]
    got, errors = {}, []

    def work(i):
        try:
            got[i] = [generate(model, tokenizer, prompts[i], max_tokens=24) for _ in range(6)]
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(prompts))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert not errors and not any(t.is_alive() for t in threads)
    assert got == {i: [text] * 6 for i, text in enumerate(want)}


def test_one_cache_on_two_threads_is_no_crash():
    model, tokenizer = tiny_lm.opened()
    cache, errors = make_prompt_cache(model), []

    def work():
        for _ in range(10):
            try:
                generate(model, tokenizer, [5, 6, 7], max_tokens=3, prompt_cache=cache)
                assert cache[0].nbytes > 0
                copy.deepcopy(cache)
                trim_prompt_cache(cache, 6)
            except ValueError:  # what one adds may be too much for the other
                pass
            except BaseException as e:
                errors.append(e)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert not errors and not any(t.is_alive() for t in threads)
    trim_prompt_cache(cache, 10**6)
    again = generate(model, tokenizer, PROMPT, max_tokens=4, prompt_cache=cache)
    assert again == generate(model, tokenizer, PROMPT, max_tokens=4)


def test_python_runs_while_the_engine_computes():
    """The GIL is let go: a thread that counts gets on during one long pass."""
    model, _ = tiny_lm.opened()
    counted, done = [0], threading.Event()

    def count():
        while not done.wait(1e-4):
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    work = [([i % 250] * 250, model._engine.make_sequence()) for i in range(8)]
    before = counted[0]
    model._engine.forward(work, "all")
    seen = counted[0] - before
    done.set()
    thread.join()
    assert seen > 5
