// Elements and text. Everything a model or a server says arrives in the page through text nodes only.

const byId = (id) => document.getElementById(id);

/** An element; children are elements or text. Properties are set as such, those with a '-' as attributes. */
function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children);
  return node;
}

function button(label, act, properties = {}) {
  return element("button", { type: "button", onclick: act, ...properties }, label);
}

/** A button that copies what text() gives. Pages that came without TLS from elsewhere have no clipboard. */
function copyButton(text, label) {
  const node = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(text());
      node.textContent = "Copied";
    } catch {
      node.textContent = "Not allowed here";
    }
    setTimeout(() => { node.textContent = "Copy"; }, 2000);
  }, { "aria-label": label });
  return node;
}

/** Says a sentence to whoever looks, and to screen readers; "" takes it away. */
function notice(sentence) {
  byId("notice").textContent = sentence;
}
