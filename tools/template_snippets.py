"""Small templates that try each rule of the language once: the engine's answers are compared with Jinja2's."""

VARIABLES = {
    "s": "Hello, World", "e": "", "u": "naïve ÉCOLE ß 日本語 🙂", "n": 7, "z": 0, "m": -3, "f": 2.5, "g": 1e16, "h": 1e-7,
    "t": True, "x": False, "nil": None, "big": 12345678901234567890, "l": [3, 1, 2], "ls": ["b", "A", "c"], "el": [],
    "d": {"b": 1, "a": 2, "items": 3, "k k": [1, {"q": None}]}, "ed": {}, "nest": {"a": {"b": [10, {"c": "deep"}]}},
    "people": [
        {"name": "Ada", "age": 36, "tags": ["x"], "city": "London"}, {"name": "bob", "age": 7, "tags": [], "city": "oslo"},
        {"name": "Cy", "age": 36, "city": "Oslo"},
    ],
    "lines": "one\n  two\n\nthree\r\nfour\x0bfive", "ws": " \t x y \n", "html": "<a href=\"x\">T&'J</a>",
    "mixed": [1, "a", None, True, 2.0, [1], {"k": "v"}], "num": "42", "fl": "3.75", "hex": "0x1F",
}

EXPRESSIONS = r"""
1 + 2 * 3 - 4 / 2
7 // 2
-7 // 2
7 // -2
-7 % 3
7 % -3
-7.5 // 2
-7.5 % 2
7.5 % -2
5.0 // 0.3
2 ** 10
2 ** -1
2 ** 0.5
2 ** 3 ** 2
-2 ** 2
(-2) ** 2
1 / 3
10 / 5
1e3
1.5e-3
1E5
1_000_000
1_0.5_0
0x1F
0b101
0o17
0xff_ff
9007199254740993 + 0.0
0.1 + 0.2
1e16
123456789012345678
1.0
100000000000000000000.0
1e22
1e-5
0.0001
-0.0
3 * 1.5
True + True
True * 3
t + 1
-t
+m
- -m
not t
not not e
n > 3 and n < 10
3 < n < 10
3 < n > 5
1 < 2 < 3 == 3
n == 7.0
1 == True
0 == False
1 == '1'
'a' < 'b'
'Z' < 'a'
'é' > 'z'
[1, 2] < [1, 3]
[1, 2] < [1]
(1, 'a') == (1, 'a')
[1] == (1,)
[1, 2] == [1, 2.0]
{'a': 1} == {'a': 1.0}
nil == None
nil is none
undefined_thing == undefined_other
undefined_thing == none
undefined_thing != 1
s == s
e or 'fallback'
s and 'other'
n or undefined_thing
undefined_thing or n
nil or el or ed or 0 or 'last'
t and x
'a' in 'abc'
'z' not in 'abc'
'' in 'abc'
3 in l
4 not in l
'a' in d
'a' in ed
2.0 in l
none in mixed
'k' in mixed
n in range(10)
7.0 in range(10)
10 in range(10)
'x' in undefined_thing
'Hello' ~ n ~ f ~ nil ~ t ~ undefined_thing ~ l ~ d
n ~ '' ~ n
'a' 'b' "c"
'a' + 'b'
'ab' * 3
3 * 'ab'
'ab' * 0
'ab' * -1
[1] * 3
2 * [1, 2]
[1] + [2, 3]
(1,) + (2,)
(1, 2, 3)
(1,)
()
[]
{}
{'a': 1, 'b': [1, 2], 3: none}
{'a': 1, 'a': 2}
{1: 'x', 1.0: 'y', true: 'z'}
[1, 'two', 3.0, none, true, [4], (5,), {'six': 6}]
"it's"
'say "hi"'
["it's", 'say "hi"', 'both \' and "']
['\n\t\r\\', '\x00\x7f', 'é', '日', '\u200b', '\xa0', '🙂']
'\x41\u00e9\U0001F642\101\7x\e\q'
"\
x"
'\\d'
'\é'
'%' ~ '%s'
s[0]
s[-1]
s[100]
s[1:4]
s[:3]
s[-3:]
s[::-1]
s[::2]
s[5:1:-1]
s[-100:100]
s[4:2]
s[10::-3]
u[0:5]
u[2]
u[-1]
u[::-1]
u|length
l[0]
l[-1]
l[5]
l[1:]
l[::-1]
l[:-1]
(1, 2, 3)[1:]
range(10)[2:8:2]
range(10)[::-1]
range(5)[-1]
range(3)
range(1, 4)
range(4, 1, -1)
range(0, 10, 3)
range(3)|list
range(5)|length
range(0)|list
d['a']
d.a
d.items
d['items']
d.missing
d['missing']
d['k k'][1].q
d[1]
d.get('a')
d.get('zz')
d.get('zz', 5)
d.get('zz', default=5)
d.keys()
d.values()
ed.items()
d.keys()|list
d.values()|list
nest.a.b[1].c
nest['a']['b'][0]
nest.a.b.0
nest.a.x
nest.a.x.y
nest.x
l.foo
l['foo']
n.foo
nil.foo
s.foo
s.upper
undefined_thing
undefined_thing.foo
undefined_thing['foo']
undefined_thing[0]
undefined_thing()
undefined_thing + 1
undefined_thing ~ 'x'
undefined_thing|length
undefined_thing|list
undefined_thing|upper
undefined_thing|default('dflt')
undefined_thing|d
undefined_thing is defined
undefined_thing is undefined
undefined_thing is none
undefined_thing < 1
-undefined_thing
undefined_thing[1:]
d.missing is defined
d.a is defined
nest.a.x is defined
nest.q.x is defined
(1 if t)
(1 if x)
(1 if x) is defined
(1 if x).foo
1 if t else 2
1 if x else 2
1 if x else 2 if x else 3
(1 if n > 3 else 2) + 5
s.upper()
s.lower()
s.title()
s.capitalize()
s.swapcase()
u.upper()
u.lower()
u.title()
u.capitalize()
u.swapcase()
u.casefold()
'ŉ ǰ ﬁ ß'.upper()
'ǆ Ǆ ǅ'.title()
'ΑΣ ΣΑ Σ'.lower()
'İI'.lower()
'straße'|upper
"they're bill's friends".title()
"they're bill's friends"|title
'a-b (c) [d] {e} <f>g'|title
'x'.join(['a', 'b'])
','.join('abc')
','.join([])
','.join([1])
','.join(d)
s.split(', ')
s.split()
s.split('o', 1)
s.rsplit('o', 1)
s.rsplit('o')
ws.split()
' a  b  c '.split(none, 1)
' a  b  c '.rsplit(none, 1)
' a  b  c '.split(' ')
' a  b  c '.split(maxsplit=1)
'a,b,c'.split(',', maxsplit=1)
'a,b,c'.split(sep=',')
''.split()
''.split(',')
'a'.split('')
lines.splitlines()
lines.splitlines(true)
''.splitlines()
'\n'.splitlines()
'a\n\nb\n'.splitlines()
s.startswith('Hell')
s.startswith(('x', 'H'))
s.startswith('ell', 1)
s.startswith('lo', 3, 5)
s.startswith('')
s.startswith([])
s.endswith('ld')
s.endswith(('x', 'World'))
s.endswith('')
s.find('o')
s.find('o', 5)
s.find('zz')
s.rfind('o')
u.find('日')
s.index('W')
s.index('zz')
s.rindex('o')
s.count('l')
s.count('')
u.count('')
s.count('l', 4)
'aaaa'.count('aa')
s.replace('l', 'L')
s.replace('l', 'L', 1)
s.replace('', '-')
s.replace('o', '')
'aaa'.replace('a', 'b', 2)
'aé'.replace('', '.')
ws.strip()
ws.lstrip()
ws.rstrip()
'xxaxx'.strip('x')
'xyaxy'.lstrip('yx')
'abc'.rstrip('cb')
'\u3000\xa0x\u2003'.strip()
'ééaé'.strip('é')
'a'.strip(none)
'a b'.partition(' ')
'a b c'.rpartition(' ')
'abc'.partition('z')
'prefix-x'.removeprefix('prefix-')
'x.txt'.removesuffix('.txt')
'abc'.center(10)
'abc'.center(10, '*')
'abcd'.center(9, '*')
'abc'.center(8, '*')
'abc'.ljust(6, '.')
'abc'.rjust(6)
'42'.zfill(5)
'-42'.zfill(5)
'a\tb'.expandtabs(4)
'abc'.isalpha()
'ab1'.isalnum()
'12'.isdigit()
'²'.isdigit()
'²'.isdecimal()
'½'.isnumeric()
'四'.isnumeric()
'١٢'.isdigit()
''.isdigit()
' \n'.isspace()
'Abc Def'.istitle()
'ABC'.isupper()
'abc1'.islower()
'1'.islower()
'é'.isalpha()
'a_1'.isidentifier()
'1a'.isidentifier()
'é'.isascii()
'\n'.isprintable()
'日本'.isalpha()
'a'.encode()
'{} {}'.format(1, 'b')
'{1} {0}'.format('a', 'b')
'{a} {b[0]} {c.x}'.format(a=1, b=[2], c={'x': 3})
'{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd')
'{:05d} {:+d} {:x} {:#x} {:b} {:o} {:,} {:_}'.format(42, 42, 255, 255, 5, 8, 1234567, 1234567)
'{:.2f} {:8.3f} {:e} {:g} {:%} {:.0f}'.format(3.14159, 2.5, 12345.678, 0.0001, 0.25, 2.5)
'{:.3} {:10.2} {!r} {!s}'.format('abcdef', 'xyz', 'q', 'q')
'{:{w}.{p}f}'.format(3.14159, w=10, p=3)
'{{}} {}'.format(1)
'{'.format(1)
'{}'.format()
'{0} {}'.format(1, 2)
'{:d}'.format('x')
'{:d}'.format(2.5)
'{:5}'.format(none)
'{:5}|{:<5}|{}'.format(true, true, true)
'{:08.3f}'.format(-3.14159)
'{:,.2f}'.format(1234567.891)
'{:n}'.format(1234)
'{:.3g} {:g} {:g}'.format(1234567.0, 1e20, 100000.0)
'{:10}|{:.3}'.format(2.5, 2.0)
'{:c}'.format(65)
'{a}'.format_map({'a': 1})
'%s %s' % ('a', 1)
'%s' % 'x'
'%s' % none
'%s' % l
'%s' % (l,)
'%d' % 42
'%d' % 42.9
'%5d|%-5d|%05d|%+d|% d' % (42, 42, 42, 42, 42)
'%x %X %#x %o' % (255, 255, 255, 8)
'%.2f %8.3f %e %g' % (3.14159, 2.5, 12345.678, 0.0001)
'%r %s' % ('it\'s', 'it\'s')
'%5s|%-5s|%.2s' % ('ab', 'ab', 'abc')
'%%' % ()
'%(a)s %(b)05.1f' % {'a': 'x', 'b': 2.25}
'%c%c' % ('x', 65)
'%s' % ()
'%s %s' % 'a'
'%d' % 'a'
'no' % 'a'
'no' % {}
'%*d' % (5, 42)
'%s' % {'a': 1}
s|length
s|upper
s|lower
s|title
s|capitalize
s|trim
ws|trim
'xxaxx'|trim('x')
s|replace('l', 'L')
s|replace('l', 'L', 1)
n|replace(7, 8)
s|first
s|last
e|first
el|first
el|last
l|first
l|last
d|first
d|list
s|list
s|reverse
l|reverse|list
d|reverse|list
u|reverse
l|sort
ls|sort
ls|sort(case_sensitive=true)
ls|sort(reverse=true)
l|sort(true)
people|sort(attribute='age')|map(attribute='name')|list
people|sort(attribute='age,name', reverse=true)|map(attribute='name')|list
mixed|sort
[3.0, 1, 2.5, true]|sort
l|min
l|max
ls|min
ls|max
el|min
el|max
people|max(attribute='age')
people|min(attribute='age')
l|sum
el|sum
people|sum(attribute='age')
l|sum(start=10)
ls|sum
[[1], [2]]|sum(start=[])
[0.1, 0.2]|sum
l|join
l|join(', ')
l|join(d='-')
people|join(', ', attribute='name')
mixed|join('|')
d|join('+')
['a', undefined_thing, none]|join(',')
l|map('string')|list
ls|map('upper')|join(' ')
people|map(attribute='name')|list
people|map(attribute='tags')|list
people|map(attribute='tags', default='none')|list
people|map(attribute='tags.0', default='none')|list
ls|map('replace', 'A', 'Z')|list
l|map('default', 5)|list
l|map
l|map('nosuch')|list
l|map()|list
undefined_thing|map('upper')|list
l|select('odd')|list
l|select('gt', 1)|list
l|select('>', 1)|list
l|reject('odd')|list
mixed|select|list
mixed|reject|list
mixed|select('string')|list
mixed|select('in', [1, 'a'])|list
people|selectattr('tags')|map(attribute='name')|list
people|selectattr('age', 'equalto', 36)|map(attribute='name')|list
people|selectattr('age', '==', 36)|list|length
people|selectattr('age', 'lt', 30)|list|length
people|rejectattr('age', 'eq', 36)|map(attribute='name')|list
people|selectattr('tags', 'defined')|list|length
people|rejectattr('tags', 'defined')|map(attribute='name')|list
people|selectattr('name', 'in', ['Ada', 'Cy'])|map(attribute='age')|list
people|selectattr('nope.deep')|list
people|groupby('age')
people|groupby('city')|map('first')|list
people|groupby('city', case_sensitive=true)|map(attribute='grouper')|list
(people|groupby('age'))[0].list|length
people|groupby('tags', default=['z'])|length
ls|unique|list
['a', 'A', 'b', 'a']|unique|list
['a', 'A', 'b', 'a']|unique(true)|list
[1, 1.0, true, 2]|unique|list
people|unique(attribute='age')|map(attribute='name')|list
[[1], [1]]|unique|list
range(7)|batch(3)|list
range(7)|batch(3, 'x')|list
range(7)|slice(3)|list
range(7)|slice(3, 'x')|list
range(2)|slice(5)|list
d|items|list
undefined_thing|items|list
l|items|list
d|dictsort
{'b': 1, 'A': 2}|dictsort
{'b': 1, 'A': 2}|dictsort(true)
{'b': 1, 'A': 2}|dictsort(by='value')
{'b': 1, 'A': 2}|dictsort(reverse=true)
{'b': 1, 'A': 2}|dictsort(by='x')
ed|dictsort
n|abs
m|abs
(-2.5)|abs
s|abs
f|round
2.675|round(2)
2.5|round
3.5|round
-2.5|round
1234.5|round(-2)
15|round(-1)
25|round(-1)
big|round
big|round(2)
42.55|round(1, 'floor')
42.55|round(1, 'ceil')
42|round
7|round(0, 'ceil')
s|round
num|int
fl|int
hex|int(0, 16)
'0b11'|int(0, 2)
'0o17'|int(base=8)
'0x1F'|int(base=0)
'12abc'|int
'12abc'|int(5)
''|int
' 12 '|int
'1_000'|int
'1__0'|int
'-7'|int
nil|int
l|int(9)
3.99|int
-3.99|int
true|int
'1e3'|int
'inf'|int
num|float
fl|float
'abc'|float
'abc'|float(1.5)
'1e5'|float
'nan'|float
'-inf'|float
' 2.5 '|float
'1_0.5'|float
nil|float
n|float
nil|string
l|string
1.0|string
undefined_thing|string
true|string
nil|default('x')
nil|default('x', true)
e|default('x')
e|default('x', true)
e|default('x', boolean=true)
z|d('x', true)
'a b  c-d'|wordcount
'日本 x'|wordcount
s|center(20)
'a\nb\n\nc'|indent
'a\nb\n\nc'|indent(2)
'a\nb\n\nc'|indent(2, true)
'a\nb\n\nc'|indent(2, true, true)
'a\nb\n\nc'|indent(2, blank=true)
'a\nb'|indent('> ')
'a\nb\n'|indent
''|indent
''|indent(first=true)
html|escape
html|e
html|safe
html|safe|e
html|forceescape
html|striptags
html|escape|string
(html|safe) + '<b>'
'<b>' + (html|safe)
('<b>'|safe) ~ '<i>'
('<b>%s'|safe) % '<i>'
('<b>{}'|safe).format('<i>')
('<b>'|safe) * 2
('<b>'|safe)|upper
('<b>'|safe).join(['<', '>'])
[html|safe]
'<b>'|safe is string
('<b>'|safe) == '<b>'
'foo bar baz qux'|truncate(9)
'foo bar baz qux'|truncate(9, true)
'foo bar baz qux'|truncate(11)
'foo bar baz qux'|truncate(11, false, '...', 0)
'Hello %s, %d'|format('x', 3)
'%(a)s'|format(a=1)
'a b/c?d=é'|urlencode
{'a b': 'c&d', 'e': 1}|urlencode
{'a': 'x"y', 'b': none}|xmlattr
1000|filesizeformat
1|filesizeformat
1234567|filesizeformat
1234567|filesizeformat(true)
999|filesizeformat
d|attr('items') is defined
d|attr('a')
s|tojson
u|tojson
html|tojson
lines|tojson
'\x00\x1f\x7f\u2028'|tojson
n|tojson
f|tojson
g|tojson
h|tojson
1.0|tojson
1e100|tojson
nil|tojson
t|tojson
big|tojson
l|tojson
d|tojson
ed|tojson
el|tojson
mixed|tojson
nest|tojson
(1, 2)|tojson
{1: 2, 1.5: 3, none: 4, true: 5}|tojson
undefined_thing|tojson
[undefined_thing]|tojson
range(3)|tojson
d|tojson(indent=2)
nest|tojson(indent=4)
nest|tojson(2)
nest|tojson(indent=0)
[[], {}, [[]], {'a': {}}]|tojson(indent=2)
l|tojson(indent='\t')
u|tojson(ensure_ascii=true)
u|tojson(true)
d|tojson(separators=(',', ':'))
d|tojson(separators=[',', ':'])
d|tojson(indent=1, separators=(', ', ' : '))
d|tojson(sort_keys=true)
{'b': {'z': 1, 'y': 2}, 'a': 0}|tojson(sort_keys=true)
{'b': 1, 2: 1}|tojson(sort_keys=true)
d.items()|tojson
d|items|tojson
people|tojson|safe
('x'|safe)|tojson
n is odd
n is even
n is divisibleby(7)
n is divisibleby 3
n is number
f is number
t is number
s is number
n is integer
t is integer
f is integer
f is float
n is float
t is boolean
n is boolean
t is true
n is true
x is false
nil is none
s is string
l is string
d is mapping
l is mapping
l is sequence
d is sequence
s is sequence
n is sequence
l is iterable
s is iterable
n is iterable
nil is iterable
undefined_thing is iterable
undefined_thing is sequence
(l|map('string')) is iterable
(l|map('string')) is sequence
d.items() is sequence
range is callable
s.upper is callable
s is callable
n is sameas n
1 is sameas 1
1 is sameas 1.0
nil is sameas none
n is eq 7
n is equalto(7)
n is == 7
n is ne 7
n is lt 8
n is le 7
n is gt 8
n is ge 7
n is lessthan 8
n is greaterthan 8
n is in [1, 7]
'e' is in s
n is not in [1]
'abc' is lower
'ABC' is upper
'a' is filter
'upper' is filter
'odd' is test
'<'|safe is escaped
'<' is escaped
n is not odd
not n is odd
n is odd and t
n is nosuchtest
n|nosuchfilter
s is string is string
dict(a=1, b=2)
dict([('a', 1), ('b', 2)])
dict({'a': 1}, b=3)
dict()
dict(1)
dict.fromkeys(['a', 'b'], 0)
namespace(a=1)
namespace(a=1).a
namespace({'a': 2}).a
namespace(a=1).b
namespace(a=1)['a']
range(3, 0)|list
range(1, 2, 0)
range('a')
range(1000000)
range(100000)|length
range(3).count(1)
l.index(1)
l.index(9)
l.count(3)
(1, 2, 1).count(1)
l.append(4)
l.pop()
l.sort()
d.update({'x': 1})
d.pop('a')
d.setdefault('a')
d.clear()
l.append
l.__class__
s.__class__.__mro__
s.__len__
d.__class__
d['__class__']
n.__class__
''.__class__.__base__
s.format.__self__
range.__globals__
namespace.__init__
dict.__class__
d.copy()
n.bit_length()
f.is_integer()
2.0.is_integer()
n.real
raise_exception('boom: ' ~ s)
raise_exception(n)
raise_exception()
strftime_now('%Y-%m-%d %H:%M:%S')
strftime_now('%d %B %Y')
strftime_now('%b %-d, %y %A %j')
strftime_now('')
1 + 'a'
'a' + 1
'a' + none
[] + ()
'a' * 'b'
{} + {}
none + 1
'a' - 'b'
1 < 'a'
none < 1
[1] < ['a']
{} < {}
1 // 0
1 / 0
1 % 0
1.0 / 0
0 ** -1
n()
s()
'a'.nope()
l|join(1, 2, 3, 4)
s|upper(1)
s|replace('a')
s.upper(1)
s.split(1)
s|trim(chars=' H')
[1, 2,]
{'a': 1,}
(1, 2,)
dict(a=1,)
[[1, 2], [3]]
{'a': {'b': {'c': [1]}}}
{[1]: 2}
{(1, 2): 3}
{(1, 2): 3}[(1, 2)]
{(1, 2): 3}[1, 2]
d[[1]]
l['0']
l[1.0]
l[true]
s[true]
l[nil]
'abc'['upper']()
l[:'a']
d[1:2]
n[0]
n[1:]
n[1]
mixed[5][0]
(l|map('string'))[0]
(l|map('string'))|length
(l|map('string'))|last
(l|select)|first
d.items()|length
d.items()|first
d.items()|list|last
d.keys()[0]
-n|abs
-(n|abs)
n|string + 'x'
n|string ~ 'x'|upper
not n in l
n + 1 in range(10)
'a' ~ 'b' in 'abc'
1 + 1 ~ 2
2 * 3 ~ 4
1 ~ 2 + 3
n if n else 0 ~ 'x'
[n, *l]
dict(**d)
'{} {}'.format(*l)
'{a}'.format(**{'a': 1})
l|sort|first|string|upper
(s)|upper
((n))
true
True
false
None
none
TRUE
loop
self
caller
varargs
lipsum is defined
cycler('a', 'b').next()
joiner()
joiner is callable
"a\\nb"
'tab\there'
'nul\0end'
'a' if s is string and n is number else 'b'
[1, 2, 3][-2:][0]
'é'|tojson
'\ud83d\ude00'
u|upper|lower|length
'a'|center(5)|length
'%s'|format(s)|upper
n.__str__()
s | upper | lower
s|  upper
1if t else 2
1 .real
"{% raw %}"
'}}'
'%}'
{'a': '}}'}['a']
{'a': {'b': 1}}['a']['b']
""".strip().split("\n")

TEMPLATES = [
    "{% filter wordcount %}a b{% endfilter %}",
    "{% filter list %}ab{% endfilter %}",
    "{% set v | wordcount %}a b{% endset %}{{ v + 1 }}",
    "{% for i in l %}{{ i }}{% endfor %}",
    "{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}",
    "{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }},{% endfor %}",
    "{% for i in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}",
    "{% for i in l %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i > 1) }}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}",
    "{% for i in l %}{{ loop }}{% endfor %}", "{% for i in l %}{{ loop|length }}{{ loop.nope }}{% endfor %}",
    "{% for i in el %}x{% else %}none{% endfor %}", "{% for i in l %}x{% else %}none{% endfor %}",
    "{% for i in l if i > 1 %}{{ i }}{{ loop.last }}{{ loop.length }}{% else %}none{% endfor %}",
    "{% for i in l if i > 9 %}{{ i }}{% else %}none{% endfor %}",
    "{% for i in l if loop.index > 1 %}{{ i }}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}",
    "{% for k, v in d|dictsort %}{{ k }}={{ v }};{% endfor %}", "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [[1, 2], [3, 4]] %}{{ a + b }},{% endfor %}", "{% for a, b in [[1]] %}{% endfor %}", "{% for a, b in [[1, 2, 3]] %}{% endfor %}",
    "{% for a, b in [1] %}{% endfor %}", "{% for a, b in ['xy'] %}{{ b }}{{ a }}{% endfor %}", "{% for c in s %}{{ c }}.{% endfor %}", "{% for c in u %}{{ c }}.{% endfor %}",
    "{% for i in 5 %}{% endfor %}", "{% for i in none %}{% endfor %}", "{% for i in missing %}x{% else %}e{% endfor %}",
    "{% for i in range(3) %}{% for j in range(2) %}{{ loop.index }}{{ i }}{{ j }} {% endfor %}{{ loop.index }}|{% endfor %}",
    "{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in range(3) %}{% continue %}{% else %}never{% endfor %}", "{% for i in range(3) %}{% break %}{% else %}never{% endfor %}",
    "{% for i in range(3) %}{% for j in [] %}{% else %}{% break %}{% endfor %}{{ i }}{% endfor %}",
    "{% break %}", "{% for i in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for i in [[1, [2, [3]]]] recursive %}{% if i is iterable %}({{ loop(i) }}){% else %}{{ i }}@{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for i in l %}{{ loop([1]) }}{% endfor %}", "{% for i in l recursive %}{{ i }}{% else %}x{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for i in range(5) if ns.n < 3 %}{% set ns.n = ns.n + 1 %}{{ i }}{% endfor %}",
    "{% set x2 = 1 %}{% for i in l %}{% set x2 = x2 + i %}{{ x2 }},{% endfor %}{{ x2 }}",
    "{% for i in l %}{% set y = i %}{% endfor %}{{ y }}", "{% for n in l %}{{ n }}{% endfor %}{{ n }}",
    "{% for i in l %}{% if loop.first %}{% set w = 1 %}{% endif %}{{ w }}{% endfor %}",
    "{% set ns = namespace(total=0) %}{% for i in l %}{% set ns.total = ns.total + i %}{% endfor %}{{ ns.total }}",
    "{% set ns = namespace() %}{% set ns.a = 1 %}{% set ns.b = [ns.a] %}{{ ns.b }}{{ ns }}", "{% set ns = {} %}{% set ns.a = 1 %}", "{% set q.a = 1 %}",
    "{% set ns = namespace() %}{% set ns._a = 1 %}", "{{ namespace(_a=1) }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = b, a %}{{ a }}", "{% set (a, b) = (1, 2) %}{{ a }}{{ b }}", "{% set a = 1, 2 %}{{ a }}", "{% set a, b = [1] %}",
    "{% set ns = namespace() %}{% set ns.a, c = 1, 2 %}{{ ns.a }}{{ c }}", "{% set a = 1 %}{% set a = a + 1 %}{{ a }}",
    "{% set a %}x{{ n }}y{% endset %}{{ a }}{{ a|length }}", "{% set a | upper %}x{{ n }}y{% endset %}{{ a }}", "{% set a | replace('x', 'z') | upper %}x{% endset %}{{ a }}",
    "{% set a %}{% set inner = 5 %}{{ inner }}{% endset %}{{ a }}{{ inner }}", "{% set true = 1 %}", "{% set 5 = 1 %}", "{% set a.b.c = 1 %}", "{% set a['b'] = 1 %}",
    "{% if n > 5 %}a{% elif n > 3 %}b{% else %}c{% endif %}", "{% if x %}a{% elif n > 3 %}b{% else %}c{% endif %}", "{% if x %}a{% elif x %}b{% else %}c{% endif %}", "{% if x %}a{% endif %}",
    "{% if e %}a{% endif %}{% if el %}b{% endif %}{% if ed %}c{% endif %}{% if z %}d{% endif %}{% if nil %}e{% endif %}{% if undefined_thing %}f{% endif %}.",
    "{% if t %}{% set v = 1 %}{% endif %}{{ v }}", "{% if x %}{% set v = 1 %}{% endif %}{{ v is defined }}", "{% if x %}{{ n|nosuch }}{% endif %}ok", "{% if t %}{{ n|nosuch }}{% endif %}ok",
    "{{ n|nosuch if x else 'ok' }}", "{{ 'ok' if t else n|nosuch }}", "{% if n is nosuch %}{% endif %}", "{% if t %}{% for i in l %}{{ i|nosuch }}{% endfor %}{% endif %}",
    "{% macro m(a, b=2) %}[{{ a }}{{ b }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) }}{{ m() }}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m() %}{% endmacro %}{{ m(1) }}", "{% macro m() %}{% endmacro %}{{ m(x=1) }}", "{% macro m(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ m() }}",
    "{% macro m(a) %}{{ a + 1 }}{% endmacro %}{{ m() }}", "{% macro m(n) %}{{ n }}{% endmacro %}{{ m(1) }}{{ n }}", "{% macro m() %}{{ n }}{% set n = 9 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}",
    "{% macro f(k) %}{% if k > 0 %}{{ k }}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "{{ f(1) }}{% macro f(k) %}{{ k }}{% endmacro %}",
    "{% macro m() %}{{ later }}{% endmacro %}{% set later = 5 %}{{ m() }}", "{% for i in l %}{{ m2(i) }}{% endfor %}{% macro m2(i) %}{{ i }}{% endmacro %}",
    "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in{{ n }}{% endcall %}", "{% macro m(x) %}{{ caller(x, 2) }}{% endmacro %}{% call(a, b) m(1) %}{{ a }}-{{ b }}{% endcall %}",
    "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}", "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}", "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}", "{% call n %}{% endcall %}",
    "{% macro m() %}{% for i in range(2) %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(i) m() %}{{ i }}{% set out = i %}{% endcall %}{{ out }}",
    "{% macro m(a) %}{% endmacro %}{{ m }}{{ m.name }}{{ m.arguments }}{{ m is callable }}", "{% macro m(a, a) %}{% endmacro %}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m %}{% endmacro %}",
    "{% macro m() %} x {% endmacro %}{{ m()|trim ~ m()|length }}", "{% macro m() %}{{ loop }}{% endmacro %}{% for i in l %}{{ m() }}{% endfor %}",
    "{% macro outer() %}{% macro inner() %}i{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}{{ inner }}",
    "{% filter upper %}abc{{ s }}{% endfilter %}", "{% filter replace('a', 'b')|upper %}aaa{% endfilter %}", "{% filter trim %}  x {% set q = 1 %} {% endfilter %}{{ q }}", "{% filter nosuch %}{% endfilter %}",
    "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}", "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a }}", "{% with a = 1, b = a %}{{ b }}{% endwith %}",
    "{% block b %}x{{ n }}{% endblock %}", "{% block b %}{% set r = 1 %}{% endblock %}{{ r }}", "{% for i in l %}{% block b %}{{ i }}{% endblock %}{% endfor %}", "{% block a %}{% endblock %}{% block a %}{% endblock %}",
    "{% for i in l %}{% block b scoped %}{{ i }}{% endblock %}{% endfor %}", "{% set r = 1 %}{% block b %}{{ r }}{% endblock b %}",
    "{% generation %}x{{ n }}{% set g2 = 1 %}{% endgeneration %}{{ g2 }}", "{%- generation -%} x {%- endgeneration -%} y", "{% for i in l %}{% generation %}{{ i }}{{ loop.index }}{% endgeneration %}{% endfor %}",
    "{% autoescape false %}{{ html }}{% endautoescape %}", "{% print n, s %}", "{% print %}", "{% include 'x' %}", "{% if x %}{% include 'x' %}{% endif %}ok", "{% import 'x' as y %}", "{% extends 'x' %}",
    "{% raw %}{{ x }}{% if %}{% endraw %}", "{% raw %} a {% endraw %} b", "{%- raw -%} a {%- endraw -%} b", "a {%- raw %} b {% endraw -%} c", "{% raw %}\na\n{% endraw %}\nb", "  {% raw %}x{% endraw %}\n  y", "{% raw %}{% raw %}{% endraw %}", "{% raw %}",
    "a{# c #}b", "a{# c\n d #}\nb", "a {#- c -#} b", "  {# c #}\n  x", "{# a {# b #} c", "{# x", "a{#c+#}\nb", "{##}x", "{#-#}x", "{#--#}x",
    "a\n{% if t %}\nb\n{% endif %}\nc\n", "a\n  {% if t %}\n  b\n  {% endif %}\n  c", "a\n  {%+ if t %}\n  b\n  {%+ endif %}\n  c", "a {%- if t %} b {%- endif %} c", "a {% if t -%} b {% endif -%} c", "a\n{%- if t -%}\nb\n{%- endif -%}\nc",
    "{% if t +%}\nb\n{% endif +%}\nc", "  {{ n }}  \n  {{- n }}  \n  {{ n -}}  \n x", "x  {% if t %}y{% endif %}", "\t{% if t %}y{% endif %}", "x\n\n  {% if t %}  {% if t %}y{% endif %}{% endif %}", "{% if t %}  {% if t %}y{% endif %}{% endif %}",
    "{{ n }}  {% if t %}y{% endif %}", "{{ n }}\n  {% if t %}y{% endif %}", "{% set q = 1 %}  {% set r = 2 %}  x", "{% set q = 1 -%}\n  {% set r = 2 %}\n  x", "  {% set q = 1 %}  \n  x", "\n\n{% set q = 1 %}\n\nx",
    "x\n", "x\n\n", "\n", "", "\r\n", "a\r\nb\rc", "a\r\n{% if t %}\r\nb{% endif %}", "{{ 'a\r\nb' }}", "{{ n }}\n", "{{ n }}\n\n", "{% if t %}x{% endif %}\n", "{% if t %}x{% endif %}\n\n",
    "\u00a0\u3000 {%- if t %}x{% endif %}", "\u00a0{% if t %}x{% endif %}", "x\n\u3000{% if t %}y{% endif %}", "{{ n -}} \u00a0\u2003\n x", "x\x0c\n{%- if t %}y{% endif %}",
    "{", "{{", "{%", "}}", "%}", "{{ n", "{% if", "{% if t %}", "{% endif %}", "{% else %}", "{% for %}", "{% for i %}", "{% for i in %}", "{% for i in l %}", "{{ }}", "{% %}", "{% 5 %}", "{{ n n }}", "{{ (n }}", "{{ n) }}", "{{ [n }}", "{{ {n }}",
    "{{ {'a' 1} }}", "{{ 'abc }}", "{{ n | }}", "{{ n. }}", "{{ .n }}", "{{ n[ }}", "{{ n[] }}", "{{ l[1:2:3:4] }}", "{{ l[1, 2] }}", "{{ f(a=1, 2) }}", "{{ f(**d, *l) }}", "{{ f(a=1, a=2) }}", "{{ 1 + }}", "{{ * 2 }}", "{{ n is }}", "{{ not }}", "{{ if }}", "{{ n if }}",
    "{{ a = 1 }}", "{{ n ! 2 }}", "{{ n @ 2 }}", "{{ n & 2 }}", "{{ $ }}", "{{ n; }}", "{{ 08 }}", "{{ 1__0 }}", "{{ 1.2.3 }}", "{{ 1.foo }}", "{{ 1..real }}", "{{ é }}", "{{ '\\x4' }}", "{{ '\\u12' }}", "{{ '\\N{DASH}' }}",
    "{% if t %}{% endfor %}", "{% for i in l %}{% endif %}", "{% set %}", "{% set a %}", "{% nosuch %}", "{% macro %}", "{% endmacro %}", "{% if t: %}x{% endif %}", "{% for i in l: %}{{ i }}{% endfor %}",
    "{{ '{{' }}{{ '%}' }}{{ \"}}\" }}", "{{ {'a': {'b': 2}}.a.b }}", "{{{'a': 1}}}", "{{ {} }}", "{{-n-}}", "{{- -n -}}", "{%-if t-%}x{%-endif-%}", "{%if t%}x{%endif%}", "{{n}}{{s}}", "{{n}} {{s}}", "{ { n } }", "{{ n }}}", "{{{ n }}",
    "{% set l2 = l|map('string') %}{% for i in l2 %}{{ i }}{% endfor %}{% for i in l2 %}{{ i }}{% endfor %}", "{% set g1 = people|selectattr('tags') %}{{ g1|list|length }}{{ g1|list|length }}",
    "{% set c = cycler(1, 2) %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.next() }}", "{% set j = joiner('|') %}{% for i in l %}{{ j() }}{{ i }}{% endfor %}",
    "{% for i in l %}{% set ns2 = namespace(v=i) %}{{ ns2.v }}{% endfor %}", "{% for m in people %}{{ m.name }}:{{ m['age'] }}:{{ m.get('tags', 'no') }}{{ ', ' if not loop.last }}{% endfor %}",
    "{% for m in people %}{% if loop.previtem is defined and loop.previtem.age == m.age %}same{% endif %}{{ loop.index }}{% endfor %}", "{{ l[-1:]|first }}{{ people[1:]|map(attribute='name')|join('+') }}{{ people[::-1][0].name }}",
    "{%- for message in people -%}\n  {%- if message.age > 10 %}\n    {{- '<|' + message.name + '|>' }}\n  {%- else %}\n    {{- 'young' -}}\n  {%- endif %}\n{%- endfor %}\n", "{% for i in range(3) %}\n  {{ i }}\n{% endfor %}\n",
    "{% set x3 = 5 %}{% macro m() %}{% set x3 = 6 %}{{ x3 }}{% endmacro %}{{ m() }}{{ x3 }}", "{% for i in [1] %}{% set n = 100 %}{{ n }}{% endfor %}{{ n }}", "{% if t %}{% for i in l %}{{ loop.index }}{% endfor %}{% endif %}{{ loop is defined }}",
    "{% for i in l %}{% with loop2 = loop %}{{ loop2.index }}{% endwith %}{% endfor %}", "{% for loop in l %}{% endfor %}", "{% for i in l %}{% set loop = 1 %}{% endfor %}", "{% set loop = 1 %}{{ loop }}", "{{ loop.index }}",
    "{% for i in l %}{% for j in ls if loop.first %}{{ j }}{% endfor %}{% endfor %}", "{% for k, v in nest.a|items %}{{ k }}{{ v }}{% endfor %}", "{% for i in l|sort|reverse %}{{ i }}{% endfor %}", "{% for i in d.items()|list if i[0] != 'a' %}{{ i }}{% endfor %}",
    "{{ raise_exception('Only user roles: ' + s) if n > 3 }}", "{% if n > 3 %}{{ raise_exception('two\nlines') }}{% endif %}", "{% set _ = raise_exception('in set') %}", "{{ 'a'.x.y }}", "{% for i in range(2) %}{{ strftime_now('%Y') }}{% endfor %}",
    "{% set content = s if s is string else s|tojson %}{{ content }}", "{%- set x4 = namespace(found=false) -%}{%- for p in people -%}{%- if p.age == 7 -%}{%- set x4.found = true -%}{%- endif -%}{%- endfor -%}{{ x4.found }}",
    "{{ '' if nil is none else nil }}{{ (nil or '') ~ 'x' }}", "{{ people|length }}{{ people[0]|length }}", "{{ '<think>a</think>b'.split('</think>')[-1].lstrip('\\n') }}", "{{ '<think>a</think>b'.split('</think>')[0].split('<think>')[-1] }}",
]
