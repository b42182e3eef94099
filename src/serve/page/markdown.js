// Markdown as models write it, to elements. HTML in it is text, pictures are links (the page loads nothing), and links
// lead to the web or to mail only. Reading takes time linear in the text, so a hostile answer cannot hang the page.

const MAX_DEPTH = 8;  // of lists and quotes in each other, and of emphasis
const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)/;
const HEADING = /^ {0,3}(#{1,6})[ \t]+(.*)$/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(?: +|$)/;
const DIVIDER = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

function startsBlock(line) {
  return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || ITEM.test(line);
}
const isBlank = (line) => !line.trim();
const indentOf = (line) => line.length - line.trimStart().length;
const startsTable = (lines, i) => lines[i].includes("|") && i + 1 < lines.length && lines[i + 1].includes("-") &&
  DIVIDER.test(lines[i + 1]);

/** Lines into blocks: {type, lines, source}, where the same source of a type always looks the same. */
function readBlocks(lines) {
  const blocks = [];
  for (let i = 0; i < lines.length;) {
    if (isBlank(lines[i])) {
      ++i;
      continue;
    }
    const [type, end] = blockAt(lines, i);
    const own = lines.slice(i, end);
    blocks.push({ type, lines: own, source: own.join("\n") });
    i = end;
  }
  return blocks;
}

/** The type of the block that begins at line i, and the line after it. */
function blockAt(lines, i) {
  const fence = lines[i].match(FENCE);
  let end = i + 1;
  if (fence) {
    while (end < lines.length && !isFenceEnd(lines[end], fence[1])) ++end;
    return ["code", Math.min(end + 1, lines.length)];
  }
  if (HEADING.test(lines[i])) return ["heading", end];
  if (RULE.test(lines[i])) return ["rule", end];
  if (QUOTE.test(lines[i])) {
    while (end < lines.length && QUOTE.test(lines[end])) ++end;
    return ["quote", end];
  }
  if (ITEM.test(lines[i])) return ["list", listEnd(lines, i)];
  if (startsTable(lines, i)) {
    while (end < lines.length && lines[end].includes("|")) ++end;
    return ["table", end];
  }
  while (end < lines.length && !isBlank(lines[end]) && !startsBlock(lines[end]) && !startsTable(lines, end)) ++end;
  return ["paragraph", end];
}

function isFenceEnd(line, fence) {
  const text = line.trim();
  return text.length >= fence.length && text === fence[0].repeat(text.length);
}

const isOrdered = (line) => /^ *\d/.test(line);

/** A list goes on over blank lines where an item of its kind, or what is indented, follows. */
function listEnd(lines, start) {
  let end = start + 1;
  let fence = null;  // in an item's code everything belongs to it
  const first = lines[start].match(ITEM)[0].length;
  const opened = lines[start].slice(first).match(FENCE);
  if (opened) fence = opened[1];
  for (let i = end; i < lines.length; ++i) {
    const line = lines[i];
    if (isBlank(line)) continue;
    const item = ITEM.test(line) && !RULE.test(line);
    const indented = indentOf(line) >= 2;
    const afterBlank = isBlank(lines[i - 1]);
    if (!fence && !indented && (item ? isOrdered(line) !== isOrdered(lines[start]) : afterBlank || startsBlock(line))) break;
    if (fence && isFenceEnd(line, fence)) fence = null;
    else if (!fence) fence = line.replace(ITEM, "").trimStart().match(FENCE)?.[1] ?? null;
    end = i + 1;
  }
  return end;
}

/** An item's lines without its mark and indentation. */
function readItems(lines) {
  const base = indentOf(lines[0]);
  const items = [];
  let width = 0;
  for (const line of lines) {
    const mark = line.match(ITEM);
    if (mark && mark[1].length < base + 2 && (!items.length || mark[1].length < width)) {
      width = Math.min(mark[0].length, mark[1].length + mark[2].length + 1);
      items.push([line.slice(width)]);
    } else {
      items.at(-1).push(line.slice(Math.min(indentOf(line), width)));
    }
  }
  return items;
}

function cellsOf(line) {
  return line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "").split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function renderTable(lines) {
  const align = cellsOf(lines[1]).map((cell) =>
    cell.endsWith(":") ? (cell.startsWith(":") ? "center" : "end") : "start");
  const row = (line, tag) => {
    return element("tr", {}, ...cellsOf(line).map((cell, i) => {
      const node = element(tag, tag === "th" ? { scope: "col" } : {}, ...renderInline(cell));
      node.style.textAlign = align[i] ?? "start";
      return node;
    }));
  };
  const table = element("table", {}, element("thead", {}, row(lines[0], "th")),
    element("tbody", {}, ...lines.slice(2).map((line) => row(line, "td"))));
  return element("div", { className: "table", tabIndex: 0, role: "group", "aria-label": "Table" }, table);
}

function renderCode(lines) {
  const [, fence, language] = lines[0].match(FENCE);
  const closed = lines.length > 1 && isFenceEnd(lines.at(-1), fence);
  const code = lines.slice(1, closed ? -1 : undefined).join("\n");
  const label = language || "code";
  return element("figure", { className: "code" },
    element("figcaption", {}, label, copyButton(() => code, `Copy ${label}`)),
    element("pre", { tabIndex: 0 }, element("code", {}, ...highlight(code, language))));
}

function renderBlock({ type, lines, source }, depth) {
  if (type === "code") return renderCode(lines);
  if (type === "rule") return element("hr");
  if (type === "table") return renderTable(lines);
  if (type === "heading") {
    const [, marks, text] = source.match(HEADING);  // the page's own headings end at h2
    return element(`h${Math.min(marks.length + 2, 6)}`, {}, ...renderInline(text.replace(/ #+$/, "")));
  }
  if (type === "quote" && depth < MAX_DEPTH)
    return element("blockquote", {}, ...renderBlocks(lines.map((line) => line.replace(QUOTE, "")), depth + 1));
  if (type === "list" && depth < MAX_DEPTH) {
    const list = element(isOrdered(source) ? "ol" : "ul");
    if (isOrdered(source)) list.start = parseInt(source, 10);
    list.append(...readItems(lines).map((item) => element("li", {}, ...renderItem(item, depth + 1))));
    return list;
  }
  return element("p", {}, ...renderInline(source));
}

const renderBlocks = (lines, depth) => readBlocks(lines).map((block) => renderBlock(block, depth));

/** An item of one paragraph has its text without one. */
function renderItem(lines, depth) {
  const blocks = readBlocks(lines);
  const tight = !lines.slice(0, -1).some(isBlank);
  return blocks.flatMap((block) =>
    tight && block.type === "paragraph" ? renderInline(block.source) : [renderBlock(block, depth)]);
}

const LINK = /!?\[([^[\]]{0,500})\]\(<?([^\s()<>]{1,2000}(?:\([^\s()<>]{0,500}\)[^\s()<>]{0,500})?)>?(?:\s+"[^"]{0,500}")?\)/y;
const BARE_LINK = /https?:\/\/[^\s<>"'`]{1,2000}/y;
const MARKS = { "**": "strong", "__": "strong", "~~": "del", "*": "em", "_": "em" };

function renderLink(label, address) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return label;
  }
  if (!["http:", "https:", "mailto:"].includes(url.protocol)) return label;
  return element("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, label);
}

const isWord = (c) => c !== undefined && /[\p{L}\p{N}_]/u.test(c);

/** Where the mark that opens at i closes, or -1. */
function closingMark(text, mark, i) {
  for (let at = text.indexOf(mark, i + mark.length + 1); at >= 0; at = text.indexOf(mark, at + 1)) {
    if (/\s/.test(text[at - 1])) continue;
    if (mark.length === 1 && (text[at + 1] === mark || text[at - 1] === mark)) continue;
    if (mark[0] === "_" && isWord(text[at + mark.length])) continue;
    return mark === "**" && text[at + 2] === "*" ? at + 1 : at;
  }
  return -1;
}

/** Emphasis, code, links and breaks of one paragraph as nodes. */
function renderInline(text, depth = 0) {
  const nodes = [];
  const unclosed = new Set();  // marks that nothing closes any more: looked for once
  let plain = "";
  const add = (node) => {
    if (plain) nodes.push(plain);
    plain = "";
    nodes.push(node);
  };
  for (let i = 0; i < text.length;) {
    const c = text[i];
    if (c === "\\" && /[!-/:-@[-`{-~]/.test(text[i + 1] ?? "")) {
      plain += text[i + 1];
      i += 2;
      continue;
    }
    if (c === "`") {
      const ticks = text.slice(i).match(/^`+/)[0];
      const end = unclosed.has(ticks) ? -1 : text.indexOf(ticks, i + ticks.length);
      if (end < 0) {
        unclosed.add(ticks);
        plain += ticks;
        i += ticks.length;
      } else {
        const code = text.slice(i + ticks.length, end);
        add(element("code", {}, /^ .* $/.test(code) ? code.slice(1, -1) : code));
        i = end + ticks.length;
      }
      continue;
    }
    if (c === "[" || (c === "!" && text[i + 1] === "[")) {
      LINK.lastIndex = i;
      const link = LINK.exec(text);
      if (link) {
        add(renderLink(link[1] || link[2], link[2]));
        i = LINK.lastIndex;
        continue;
      }
    }
    if (c === "h" && !isWord(text[i - 1])) {
      BARE_LINK.lastIndex = i;
      const address = BARE_LINK.exec(text)?.[0].replace(/[.,;:!?)\]*_]+$/, "");
      if (address) {
        add(renderLink(address, address));
        i += address.length;
        continue;
      }
    }
    const mark = MARKS[text.slice(i, i + 2)] ? text.slice(i, i + 2) : MARKS[c] ? c : null;
    if (mark && depth < MAX_DEPTH && !unclosed.has(mark) && /\S/.test(text[i + mark.length] ?? " ") &&
        !(mark[0] === "_" && isWord(text[i - 1]))) {
      const end = closingMark(text, mark, i);
      if (end > 0) {
        add(element(MARKS[mark], {}, ...renderInline(text.slice(i + mark.length, end), depth + 1)));
        i = end + mark.length;
        continue;
      }
      unclosed.add(mark);
    }
    if (c === "\n" && (plain.endsWith("  ") || text[i - 1] === "\\")) add(element("br"));
    else plain += c;
    ++i;
  }
  if (plain) nodes.push(plain);
  return nodes;
}

/** Markdown that grows: what did not change stays as it is, so a long answer is not made anew with each token. */
class MarkdownView {
  constructor() {
    this.root = element("div", { className: "markdown" });
    this.blocks = [];
  }

  update(text) {
    const blocks = readBlocks(text.replaceAll("\t", "    ").split("\n"));
    let same = 0;
    while (same < this.blocks.length && blocks[same]?.type === this.blocks[same].type &&
           blocks[same].source === this.blocks[same].source) ++same;
    while (this.root.childNodes.length > same) this.root.lastChild.remove();
    this.root.append(...blocks.slice(same).map((block) => renderBlock(block, 0)));
    this.blocks = blocks;
  }
}
