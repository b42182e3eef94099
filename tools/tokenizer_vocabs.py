"""Vocabularies made for comparison: every pair of bytes merges, so that each cut of a pre-tokenizer rule shows."""

import pathlib
import random
import re
import struct

import gguf
import tokenizer_texts

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def rule_rows():
    """The names of each row of the table in src/text/pre_tokenizer_rules.cc."""
    source = (pathlib.Path(__file__).parent.parent / "src/text/pre_tokenizer_rules.cc").read_text()
    table = source[source.index("kRules[] = {"):source.index("const PreTokenizerRule* find_pre_tokenizer")]
    return ["".join(re.findall(r'"([^"]*)"', literals)).split()
            for literals in re.findall(r'\.names =\s*((?:"[^"]*"\s*)+)', table)]


CHARACTER_RULES = ("gemma4", "granite-embed-multi-311m", "sarvam-moe", "whitespace")  # no alphabet of bytes


def byte_alphabet():
    printable = list(range(0x21, 0x7f)) + list(range(0xa1, 0xad)) + list(range(0xae, 0x100))
    out, extra = {}, 0x100
    for b in range(256):
        if b in printable:
            out[b] = chr(b)
        else:
            out[b] = chr(extra)
            extra += 1
    return out


def write(path, model, tokens, types, pre=None, merges=None, scores=None, ids=None, flags=None, name=None, arch="llama",
          extra=None):
    writer = gguf.GGUFWriter(path, arch)
    if name:
        writer.add_name(name)
    writer.add_tokenizer_model(model)
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if scores is not None:
        writer.add_token_scores(scores)
    if merges is not None:
        writer.add_token_merges(merges)
    for key, value in (ids or {}).items():
        writer.add_uint32("tokenizer.ggml." + key, value)
    for key, value in (flags or {}).items():
        writer.add_bool("tokenizer.ggml." + key, value)
    if extra:
        extra(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


PLACEHOLDER = "@rule@"


def set_rule(template, path, name):
    """A copy of the file `template`, written with pre=PLACEHOLDER, that names another rule."""
    def string(text):
        return struct.pack("<Q", len(text)) + text.encode()

    data = pathlib.Path(template).read_bytes()
    assert data.count(string(PLACEHOLDER)) == 1
    pathlib.Path(path).write_bytes(data.replace(string(PLACEHOLDER), string(name)))


SPECIALS = [("<s>", CONTROL), ("</s>", CONTROL), ("<unk>", UNKNOWN), ("<|im_end|>", NORMAL), ("<mask>", CONTROL),
            ("[MASK]", CONTROL), ("<tool>", USER_DEFINED), ("  ", USER_DEFINED), ("<|end|>", CONTROL),
            ("<|fim_pad|>", USER_DEFINED), ("<unused1>", UNUSED), ("<|channel|>", CONTROL)]
WHOLE = ["hello", " hello", "the", " the", "123", "   ", "  \n", " don't", "naïve", "漢字"]


def add_specials(tokens, types):
    taken = set(tokens)
    for text, kind in SPECIALS:
        if text not in taken:
            tokens.append(text)
            types.append(kind)


def byte_pairs(path, pre, specials=True, **options):
    """Byte-level BPE; words that only ignore_merges can find are tokens too. tests/tokenizer_golden_test.cc makes
    the same vocabulary, so the order is a formula."""
    alphabet = byte_alphabet()
    pairs = [divmod((i * 40503 + 12345) % 65536, 256) for i in range(65536)]
    tokens = [alphabet[b] for b in range(256)] + [alphabet[a] + alphabet[b] for a, b in pairs]
    tokens += ["".join(alphabet[b] for b in word.encode()) for word in WHOLE]
    types = [NORMAL] * len(tokens)
    if specials:
        add_specials(tokens, types)
    write(path, options.pop("model", "gpt2"), tokens, types, pre=pre,
          merges=["%s %s" % (alphabet[a], alphabet[b]) for a, b in pairs], **options)


def character_pairs(path, pre, model="gpt2", spaces=True, **options):
    """BPE on characters, as gemma4 and its like have it, with tokens for bytes."""
    rng = random.Random(8)
    text = "".join(tokenizer_texts.WORDS + tokenizer_texts.NUMBERS + tokenizer_texts.PUNCTUATION + tokenizer_texts.EMOJI)
    characters = sorted(set(text) - set(" ")) + ["\n", "▁"]
    rng.shuffle(characters)
    characters = list(dict.fromkeys(characters))
    tokens = ["<0x%02X>" % b for b in range(256)] + characters
    types = [BYTE] * 256 + [NORMAL] * len(characters)
    pairs = []
    for word in tokenizer_texts.WORDS * 3:
        word = ("▁" if spaces else "") + word.replace(" ", "▁")
        cut = rng.randrange(1, len(word)) if len(word) > 1 else 0
        for left, right in ((word[i:i + 1], word[i + 1:i + 2]) for i in range(len(word) - 1)):
            pairs.append((left, right))
        if cut:
            pairs.append((word[:cut], word[cut:]))
    pairs += [("\n", "\n"), ("\n\n", "\n"), ("▁", "▁"), ("▁▁", "▁▁")]
    pairs = list(dict.fromkeys(p for p in pairs if all(p)))
    rng.shuffle(pairs)
    have = set(tokens)
    for left, right in pairs:
        if left + right not in have:
            have.add(left + right)
            tokens.append(left + right)
            types.append(NORMAL)
    add_specials(tokens, types)
    write(path, model, tokens, types, pre=pre, merges=["%s %s" % p for p in pairs], **options)


def scored_pieces(path, **options):
    """SentencePiece: bytes, characters, and beginnings of words, scored at random."""
    rng = random.Random(9)
    tokens = ["<0x%02X>" % b for b in range(256)]
    types = [BYTE] * 256
    words = ["▁" + word.replace(" ", "▁") for word in tokenizer_texts.WORDS]
    pieces = sorted({word[i:j] for word in words for i in range(len(word)) for j in range(i + 1, len(word) + 1)}
                    | {"▁▁", "▁▁▁▁"})
    tokens += [piece for piece in pieces if piece not in tokens]
    types += [NORMAL] * (len(tokens) - len(types))
    add_specials(tokens, types)
    write(path, "llama", tokens, types, scores=[-rng.uniform(0, 20) for _ in tokens], **options)


def word_pieces(path, **options):
    """WordPiece: whole words, their ends, and letters."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    types = [CONTROL, UNKNOWN, CONTROL, CONTROL]
    pieces = set()
    for word in tokenizer_texts.WORDS + [word.lower() for word in tokenizer_texts.WORDS]:
        word = word.strip()
        pieces |= {"▁" + word[:i] for i in range(1, len(word) + 1)} | {word[i:] for i in range(1, len(word))}
    tokens += sorted(p for p in pieces if p)
    types += [NORMAL] * (len(tokens) - len(types))
    write(path, "bert", tokens, types, **options)
