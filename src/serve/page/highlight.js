// Code in colours: comments, strings, numbers and the words of common languages. It need not understand code,
// only find the same tokens that a reader's eye does.

const STRING = String.raw`"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?`;
const TRIPLE = String.raw`"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)`;
const TEMPLATE = "`(?:\\\\.|[^`\\\\])*`?";
const SLASHES = String.raw`//.*|/\*[^]*?(?:\*/|$)`;
const HASH = "#.*";

const C_WORDS = "auto bool break case catch char class const constexpr continue default delete do double else enum " +
  "explicit extern false final float for friend goto if inline int long namespace new noexcept nullptr operator " +
  "override private protected public return short signed sizeof static struct switch template this throw true try " +
  "typedef typename union unsigned using virtual void volatile while concept requires co_await co_return co_yield " +
  "include define ifdef ifndef endif pragma";
const JS_WORDS = "abstract as async await break case catch class const continue debugger default delete do else enum " +
  "export extends false finally for from function get if implements import in instanceof interface let new null of " +
  "private public readonly return set static super switch this throw true try type typeof undefined var void while yield";
const LANGUAGES = [
  ["c cpp c++ cc h hpp cuda", SLASHES, STRING, C_WORDS],
  ["javascript js jsx mjs typescript ts tsx", SLASHES, `${STRING}|${TEMPLATE}`, JS_WORDS],
  ["java kotlin kt csharp cs c# scala swift dart php", SLASHES, STRING,
    `${C_WORDS} abstract assert boolean byte extends finally fun func function guard implements import in instanceof ` +
    "interface internal is let null object package sealed string super val var when where echo"],
  ["python py", HASH, `${TRIPLE}|${STRING}`,
    "and as assert async await break class continue def del elif else except False finally for from global if import " +
    "in is lambda match case None nonlocal not or pass raise return True try while with yield self"],
  ["rust rs", SLASHES, String.raw`"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\\n])'`,
    "as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut " +
    "pub ref return self Self static struct super trait true type unsafe use where while"],
  ["go golang", SLASHES, `${STRING}|${TEMPLATE}`,
    "break case chan const continue default defer else fallthrough for func go goto if import interface map nil package " +
    "range return select struct switch true false type var"],
  ["bash sh shell zsh console", "(?<![^\\s])#.*", STRING,
    "if then elif else fi for while until do done case esac in function return local export set unset exit echo cd " +
    "source sudo read shift test trap exec"],
  ["ruby rb perl r julia jl lua elixir", "#.*|--.*", STRING,
    "and begin break case class def defined do else elsif end ensure false for function if in local module my next nil " +
    "not or redo rescue return self sub super then true unless until use when while yield"],
  ["sql sqlite postgresql mysql", String.raw`--.*|/\*[^]*?(?:\*/|$)`, STRING,
    "add all alter and as asc between by case create cross default delete desc distinct drop else end exists foreign " +
    "from full group having in index inner insert into is join key left like limit not null offset on or order outer " +
    "primary references right select set table then union unique update values view when where with"],
  ["json yaml yml toml ini dockerfile docker make makefile cmake nginx", HASH, STRING,
    "true false null yes no on off from run copy workdir user env expose entrypoint cmd arg"],
  ["css scss less", String.raw`/\*[^]*?(?:\*/|$)`, STRING, "important media supports keyframes import from to"],
  ["html xml svg", "<!--[^]*?(?:-->|$)", STRING, ""],
];
const INSENSITIVE = /^(sql|json)/;

const scanners = new Map();
for (const [names, comment, string, words] of LANGUAGES) {
  const tags = names.startsWith("html") ? String.raw`</?[\w:-]+|/?>` : null;
  const keyword = tags ?? `\\b(?:${words.split(" ").join("|")})\\b`;
  const pattern = new RegExp(
    `(?<comment>${comment})|(?<string>${string})|(?<keyword>${keyword})|` +
    String.raw`(?<number>\b(?:0[xXbB][\da-fA-F_]+|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)\w*)|[\p{L}_$][\w$]*`,
    INSENSITIVE.test(names) ? "giu" : "gu");
  for (const name of names.split(" ")) scanners.set(name, pattern);
}

/** Code as nodes: text, and spans with a class for what has a colour. */
function highlight(code, language) {
  const pattern = scanners.get(language.toLowerCase());
  if (!pattern) return [code];
  const nodes = [];
  let plain = 0;
  for (const match of code.matchAll(pattern)) {
    const kind = Object.entries(match.groups).find(([, text]) => text)?.[0];
    if (!kind) continue;
    nodes.push(code.slice(plain, match.index), element("span", { className: kind }, match[0]));
    plain = match.index + match[0].length;
  }
  nodes.push(code.slice(plain));
  return nodes;
}
