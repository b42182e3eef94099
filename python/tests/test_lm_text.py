"""``uma.lm``: tokenizers, detokenizers and chat templates."""

import json
import subprocess

import pytest
import tiny_lm
import uma.core as mx
from uma.lm import generate, load

TEXTS = ["the cat and the", "Grüße, 世界 🌍", "", " a  b\n\tc", "in<|end|>on"]


@pytest.mark.parametrize("text", TEXTS)
def test_text_survives(text):
    _, tokenizer = tiny_lm.opened()
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode(mx.array(ids, mx.uint32)) == text
    assert tokenizer.decode(ids, skip_special_tokens=True) == text.replace("<|end|>", "")
    assert tokenizer(text, add_special_tokens=False) == {"input_ids": ids}
    assert tokenizer([text, "a"], add_special_tokens=False)["input_ids"][0] == ids
    assert tokenizer.batch_decode([ids, []]) == [text, ""]
    assert (tiny_lm.EOS in ids) == ("<|end|>" in text)


def test_ids_are_the_command_lines():
    path = str(tiny_lm.MODELS / "qwen2.gguf")
    _, tokenizer = tiny_lm.opened()
    for text in TEXTS:
        argv = [tiny_lm.binary(), "tokenize", path, "--json", "--special"]
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60)
        assert json.loads(done.stdout)["ids"] == tokenizer.encode(text)


def test_half_a_character_and_what_is_no_text():
    _, tokenizer = tiny_lm.opened()
    ring = tokenizer.encode("é", False)
    assert tokenizer.decode(ring[:1]) == "\ufffd"
    assert tokenizer.decode(tokenizer.encode("a\ud800b", False)) == "a\ufffd\ufffd\ufffdb"
    detokenizer = tokenizer.detokenizer
    segments = []
    for token in tokenizer.encode("aé", False) + ring[:1]:
        detokenizer.add_token(token)
        segments.append(detokenizer.last_segment)
    detokenizer.finalize()
    assert segments == ["a", "", "é", ""] and detokenizer.last_segment == "\ufffd"
    assert detokenizer.text == "aé\ufffd" and len(detokenizer.tokens) == 4
    detokenizer.reset()
    assert detokenizer.text == "" and detokenizer.tokens == [] and detokenizer.last_segment == ""


def test_vocabulary():
    _, tokenizer = tiny_lm.opened()
    vocab = tokenizer.get_vocab()
    assert len(vocab) == len(tokenizer) == tokenizer.vocab_size == tiny_lm.VOCAB
    assert vocab["<|end|>"] == tokenizer.eos_token_id == tiny_lm.EOS and tokenizer.eos_token == "<|end|>"
    assert tokenizer.convert_tokens_to_ids("<|end|>") == tiny_lm.EOS
    assert tokenizer.convert_tokens_to_ids(["<|end|>", "no such token"]) == [tiny_lm.EOS, None]
    assert tokenizer.convert_ids_to_tokens(tiny_lm.EOS) == "<|end|>"
    space = tokenizer.encode(" the", False)
    assert tokenizer.convert_ids_to_tokens(space) == ["\u0120the"]
    assert tokenizer.name_or_path.endswith("qwen2.gguf") and tokenizer.model_max_length == tiny_lm.CONTEXT
    for wrong in ([tiny_lm.VOCAB], [-1]):
        with pytest.raises(ValueError, match="outside the vocabulary"):
            tokenizer.decode(wrong)
    with pytest.raises(ValueError, match="encode takes a str, not int"):
        tokenizer.encode(3)


def test_more_tokens_may_end_an_answer():
    tokenizer = tiny_lm.fresh_tokenizer()
    tokenizer.add_eos_token("\u0120the")
    tokenizer.add_eos_token("7")
    assert {7, tokenizer.convert_tokens_to_ids("\u0120the")} < tokenizer.eos_token_ids
    for wrong in ("no such token", "100000"):
        with pytest.raises(ValueError, match="is no token of"):
            tokenizer.add_eos_token(wrong)
    path = str(tiny_lm.MODELS / "qwen2.gguf")
    _, other = load(path, {"eos_token": "\u0120the", "trust_remote_code": True})
    assert other.eos_token_id in other.eos_token_ids and other.eos_token == "\u0120the"
    with pytest.raises(ValueError, match="no token of"):
        load(path, {"eos_token": "no such token"})


MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "the cat <|end|> é"}]


@pytest.fixture(scope="module")
def chatty(tmp_path_factory):
    return str(tiny_lm.with_template(tmp_path_factory.mktemp("chat") / "chatty.gguf"))


def test_conversations_become_prompts(chatty):
    _, tokenizer = load(chatty)
    assert tokenizer.has_chat_template and tokenizer.chat_template.startswith(tiny_lm.TEMPLATE)
    text = tokenizer.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True)
    assert text == "<system>be brief<|end|><user>the cat <|end|> é<|end|><assistant>"
    assert tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True) == tokenizer.encode(text)
    assert not tokenizer.apply_chat_template(MESSAGES, tokenize=False).endswith("<assistant>")
    tools = [{"name": "look_up"}]
    with_tools = tokenizer.apply_chat_template(MESSAGES, tools, tokenize=False, mood="calm")
    assert with_tools.startswith("[tools look_up]calm<")
    going_on = [*MESSAGES, {"role": "assistant", "content": "The cat"}]
    text = tokenizer.apply_chat_template(going_on, tokenize=False, continue_final_message=True)
    assert text.endswith("<assistant>The cat")
    assert tokenizer.apply_chat_template(MESSAGES, chat_template="{{ messages | length }}", tokenize=False) == "2"
    assert tokenizer.apply_chat_template(MESSAGES, return_dict=True)["input_ids"][0] == tokenizer.encode("<")[0]


def test_a_chat_is_the_command_lines(chatty):
    model, tokenizer = load(chatty)
    argv = [tiny_lm.binary(), "run", chatty, "the cat", "--system", "be brief", "--temp", "0", "--json"]
    done = subprocess.run([*argv, "--max-tokens", "9"], capture_output=True, text=True, timeout=60)
    want = json.loads(done.stdout)
    messages = [MESSAGES[0], {"role": "user", "content": "the cat"}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
    assert len(prompt) == want["prompt_tokens"]
    assert generate(model, tokenizer, prompt, max_tokens=9) == want["text"]


def test_conversations_that_do_not_fit_are_refused(chatty):
    _, bare = tiny_lm.opened()
    assert not bare.has_chat_template and bare.chat_template is None
    with pytest.raises(ValueError, match="has no chat template"):
        bare.apply_chat_template(MESSAGES)
    _, tokenizer = load(chatty)
    for keywords in (
        {"chat_template": "{% if %}"},
        {"chat_template": 3},
        {"chat_template": "{{ raise_exception('no') }}"},
        {"tools": [object()]},
        {"add_generation_prompt": True, "continue_final_message": True},
        {"chat_template": "nothing", "continue_final_message": True},
    ):
        with pytest.raises(ValueError):
            tokenizer.apply_chat_template(MESSAGES, **keywords)
    _, other = load(chatty, {"chat_template": "{{ messages[0].content }}!"})
    assert other.apply_chat_template(MESSAGES, tokenize=False) == "be brief!"
