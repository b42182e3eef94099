#!/usr/bin/env python3
"""Prints src/text/jinja_case_table.h: the characters whose upper or title case is several characters.

The source is Python's own str.upper and str.title, which is what the chat template engine has to match.
"""


def rows(change):
    for c in range(0x110000):
        if 0xD800 <= c < 0xE000:
            continue
        text = change(chr(c))
        if len(text) > 1:
            points = [ord(x) for x in text] + [0] * (3 - len(text))
            yield "    {0x%04x, {%s}}," % (c, ", ".join("0x%04x" % p for p in points))


def main():
    print("#pragma once")
    print("// Written by tools/make_case_table.py: Unicode's unconditional special casing, sorted by code point.")
    print("#include <array>\n")
    print("namespace uma::jinja {\n")
    print("struct CaseRow {\n  char32_t from;\n  std::array<char32_t, 3> to;\n};\n")
    print("// clang-format off")
    for name, change in (("kUpperRows", str.upper), ("kTitleRows", str.title)):
        print("inline constexpr CaseRow %s[] = {" % name)
        print("\n".join(rows(change)))
        print("};")
    print("// clang-format on\n\n}  // namespace uma::jinja")


if __name__ == "__main__":
    main()
