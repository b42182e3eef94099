"""Texts that try a tokenizer: random mixes of what pre-tokenizer rules, normal forms and byte fallback tell apart."""

import random

WORDS = (
    "the The THE quick brown Fox jumps over lazy dogs tokenizer iPhone McDonald HTTPServer parseJSONdata naïve café "
    "CAFÉ Straße STRASSE ǅungla ǈubav Ǆ ﬁne Ωmega σίσυφος ΣΊΣΥΦΟΣ привет ПРИВЕТ Мир їжак Ёлка שלום עולם مرحبا العالم "
    "١٢٣ नमस्ते दुनिया क्षत्रिय বাংলা தமிழ் తెలుగు สวัสดีชาวโลก ລາວ ភាសា မြန်မာ ქართული ᲥᲐᲠ հայերեն Ꮳ ᏣᎳᎩ ꭰꮃ 你好世界 漢字かな交じり "
    "日本語 ひらがな カタカナ ｶﾀｶﾅ 한국어 안녕하세요 ㄱㄴㄷ ᄒ\u1161\u11ab 㐀㐁 豈更 𠀀𠮷 ㄅㄆㄇ \ua9e0\ua9e1 \uaa60\uaa61 "
    "don't I'm you're he'll we've they'd it's DON'T I'M YOU'RE HE'LL WE'VE THEY'D IT'S don’t I’m 'tis rock'n'roll O'Neill "
    "'s 'S 't 'RE 'Ll 'lL ''s Istanbul'da İSTANBUL ı dotless e\u0301te\u0301 A\u030angstro\u0308m \u0301alone x\u0336y\u0336 "
    "Zażółć gęślą jaźń Việt tiếng ñandú Æther œuvre ß ẞ ſ K Å µ ª º ᵃ ⁿ ʰ ː ʼ ˇ ˆ IMGIMGAAZ IMGIMGABCDZ IMGIMGZ "
    "<sentinel:12> <sentinel:x> <0x41> ▁ ▁a Ġ Ċ Ġthe [MASK] <mask> [UNK] http://example.com/a?b=c&d=%20 "
    "user@example.org C:\\dir\\file.txt foo_bar __init__ x+=1; a->b a::b /* c */ // d <html> </div> {\"k\":[1,2]}").split()

NUMBERS = ("0 1 12 123 1234 12345 123456 1234567 12345678 123456789 0000000000000 3.14 1,000,000 1e-5 0x1F 1_000 2nd "
           "123abc 123_ abc123 12é 1234é ½ ¾ ² ³ ⅷ Ⅷ ① ⑳ 一二三 ٣٤٥٦ १२३४५ ๑๒๓ １２３４ 𝟏𝟐𝟑𝟒 ᛮ 〇 12:30 2024-01-02 "
           "1१2 12१३ 999999 9999999a 12345678901234567890").split()

SPACES = [" ", "  ", "   ", "    ", "     ", "        ", " " * 17, " " * 33, " " * 130, "\t", "\t\t", " \t ", "\n", "\n\n",
          "\r\n", "\r", "\r\r", " \n", "\n ", "  \n\n  ", "\n\t", "\v", "\f", "\u0085", "\u00a0", " \u00a0 ", "\u1680", "\u2003",
          "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u3000\u3000", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff",
          "\u180e", "\u00ad", "\x1c", "\x1f", "\n \n", "\r\n\r\n", "\n" * 5, "\n" * 20, " \r\n\t"]

PUNCTUATION = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + [
    "...", "!!!", "?!", "--", "->", "=>", "==", "!==", "&&", "||", "//", "/*", "*/", "```", "''", "\"\"", "('", "')", "…", "“", "”",
    "‘", "’", "—", "–", "«", "»", "¿", "¡", "、", "。", "，", "！", "？", "：", "；", "（", "）", "「", "」", "﹏", "︰", "～", "·", "•", "§",
    "¶", "†", "‡", "©", "®", "™", "€", "£", "¥", "₿", "±", "×", "÷", "∑", "√", "≤", "→", "⇒", "█", "░", "♠", "✓", "`", "´", "¨", "¯",
    "¬", "°", "^^", "~~", "||", "+-", "<|", "|>", "#!/", "।", "۔", "،", "؟", "־", "׳", "๏", "༄", "\u0640", "!/", "?/\n", ".\n/", ")\r\n", ";/"]

EMOJI = ["😀", "😂🤣", "👍🏽", "👩‍💻", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇺🇸🇫🇷", "1️⃣", "❤️", "☺", "☺️", "✊🏿", "🧑🏾‍🚀", "🫠", "\U0001fae8", "🀄", "🂡"]

ODD = ["\0", "\0\0", "\x01", "\x7f", "\x80", "\x9f", "\ufffd", "\ufffe", "\uffff", "\ufdd0", "\U0001ffff", "\U0010ffff", "\ue000",
       "\uf8ff", "\U000f0000", "\U00100000", "\u0378", "\U000e0041", "\U000e0100", "\ufe0f", "\u20dd", "\u0903", "\u0488", "\u202e",
       "\u2066", "\ufff9", "\U0001d7ce", "\U00010400", "\U00010428", "\U0001e900", "\U000118a0", "\U000104b0", "\u1c90",
       "\u10a0", "\u2c00", "\ua640", "\uff21", "\uff41", "\u00b5", "\u01c5", "\u1f88", "\u02b0", "\u0345", "\u1e9b", "\u2126",
       "\u1160", "\u3164", "\uac00", "\ud7a3", "\ud7b0", "\u30fb", "\uff65", "\u2e80", "\u2f00", "\u303f", "\u3040", "\u4dc0",
       "\u9fa6", "\u9fff", "\ua000", "\U0001b000", "\U0002f800", "\U00030000", "\U0002b81f", "\U0002b820", "\U0002ceaf"]

BROKEN = [b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc3", b"\xe2\x82", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xed\xa0\x80",
          b"\xed\xbf\xbf", b"\xf0\x9f\x98", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5", b"\xf8\x88\x80\x80\x80", b"\xfe",
          b"\xff", b"\xff\xfe", b"\xc3(", b"\xe2\x28\xa1", b"\xf0\x9f", b"\xf0", b"\xc3\xc3\xa9", b"\xe2\xe2\x82\xac", b"\xa0"]


def any_character(rng):
    while True:
        c = rng.choice([rng.randrange(0x80), rng.randrange(0x80, 0x800), rng.randrange(0x800, 0x10000),
                        rng.randrange(0x10000, 0x20000), rng.randrange(0x110000)])
        if not 0xd800 <= c < 0xe000:
            return chr(c)


def piece(rng, specials):
    kind = rng.randrange(100)
    if kind < 26:
        return rng.choice(WORDS)
    if kind < 36:
        return rng.choice(NUMBERS)
    if kind < 56:
        return rng.choice(SPACES)
    if kind < 68:
        return rng.choice(PUNCTUATION)
    if kind < 72:
        return rng.choice(EMOJI)
    if kind < 76:
        return rng.choice(ODD)
    if kind < 82:
        return any_character(rng)
    if kind < 85:
        return rng.choice("aAzZéÉ1٣ \n\t.漢가ñΩ'") * rng.choice([1, 2, 3, 4, 7, 8, 9, 31, 64, 200])
    if kind < 91 and specials:
        return rng.choice([" ", "", "", "  ", "\n"]) + rng.choice(specials) + rng.choice([" ", "", "", "  ", "\n"])
    if kind < 95:
        return "".join(rng.choice("abcdefABCDEF0123456789 .,'\n_-") for _ in range(rng.randrange(1, 12)))
    word = rng.choice(WORDS)
    return rng.choice([word.upper(), word.lower(), word.title(), word.swapcase()])


def random_text(rng, specials=(), broken=True):
    """Bytes: mostly text, sometimes not UTF-8."""
    glue = rng.choice(["", "", " ", " ", "\n"])
    text = glue.join(piece(rng, specials) for _ in range(rng.choice([1, 2, 3, 4, 6, 10, 20, 40]))).encode("utf-8")
    if broken and rng.randrange(8) == 0:
        for _ in range(rng.choice([1, 1, 2, 5])):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(BROKEN) + text[at:]
    return text


def texts(count, seed, specials=(), broken=True):
    rng = random.Random(seed)
    specials = list(specials)
    return [random_text(rng, specials, broken) for _ in range(count)]


def fixed_texts():
    """Each thing by itself, between spaces, between letters, and doubled."""
    out = [b""]
    for s in WORDS + NUMBERS + SPACES + PUNCTUATION + EMOJI + ODD:
        for form in ("%s", " %s", "%s ", "a%sb", "1%s2", "%s%s", "x %s y", "\n%s\n", "\u00e9%s\u4e2d"):
            out.append(form.replace("%s", s).encode("utf-8"))
    for b in BROKEN:
        out += [b, b"a" + b + b"b", b" " + b + b" ", b + b, b + "é".encode()]
    return out


def golden_texts():
    """A few thousand characters that try every rule."""
    join = " ".join
    return [
        "", " ", "  ", "Hello world", " Hello", "hello  world ", "\n", " \n\n  x", join(WORDS[:28]), join(WORDS[28:62]),
        join(WORDS[62:98]), join(WORDS[98:130]), join(WORDS[130:]), "".join(WORDS[62:84]), join(NUMBERS[:20]), join(NUMBERS[20:]),
        "a".join(SPACES[:24]), "é".join(SPACES[24:]), " ".join(PUNCTUATION[:32]), "".join(PUNCTUATION[:60]),
        "x".join(PUNCTUATION[32:]), join(EMOJI), "".join(EMOJI), "a".join(ODD), " ".join(ODD[:30]),
        "I'm you'RE don't’s 'tis '' ' s 's", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "1111111111111 11 111 1111",
        "\t\tint main() {\n\t\treturn x->y[0] != 0x1F; // done\r\n\t}\n\n\n",
        "def f(x):\n    return {'a': 1,\n            \"b\": [x, 2.5e-3]}\n", "ÀÉÎõü àéîõü A\u0300E\u0301",
    ]


def rule_texts():
    """Few characters, every rule: for the golden that holds each rule's ids."""
    return [
        "Hello hello  the 12 123 1234567 x1 12ab 12_ ١٢٣٤", "I'm DON'T he'll y'Know’s 'tis", "fooBar HTTPServer ǅx ÉCOLE éCole Ωm ʰaʰ",
        "a b\n c\r\n\n  d\t\te    \n      f   ", "x+=1; a->b!/\n (c)/d `e` <f> ~g^ $1|2 \"h\".\n", "中文abc漢字カナひら한글ㄱㅏ、。！ㄅㄆ",
        "नमस्ते สวัสดี e\u0301a\u0323 \u0301 မြ", "a\u00a0b\u3000c\u2003\u200bd\u0085e\ufeff", "IMGIMGAAZ <sentinel:12> (x|y), z… ",
        "😀👍🏽 ½²Ⅷ １２３ \0\ue000", "naïve don't   x    " + " " * 20,
        "a1234b 1\t\t2 x12345 9999999a", "a \u1680 b\u1680中 1\u200b2",
    ]
