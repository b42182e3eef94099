// The page: conversations at the left, messages, and what asks the models.

let chat = loadChats()[0] ?? newChat();
let models = [];
let editing = -1;              // the number of the message that is being edited
const running = new Map();     // id of a conversation -> AbortController of its answers
const drawn = new WeakMap();   // answer -> how it stands in the page

// Conversations

function drawChats() {
  const saved = loadChats();
  if (!saved.some((other) => other.id === chat.id)) saved.unshift(chat);
  byId("chats").replaceChildren(...saved.map((other) => {
    const current = other.id === chat.id;
    const title = button(other.title, () => open(current ? chat : other), { className: "title" });
    if (current) title.setAttribute("aria-current", "true");
    const named = (label, act) => button(label, () => act(current ? chat : other), { "aria-label": `${label} “${other.title}”` });
    return element("li", { className: current ? "current" : "" }, title,
      named("Rename", rename), named("Export", (it) => download("conversation.json", it)), named("Delete", remove));
  }));
}

function open(other) {
  chat = runningChat(other.id) ?? other;
  editing = -1;
  showMenu(false);
  drawChats();
  drawModels();
  drawMessages();
  notice("");
  byId("prompt").focus();
}

/** A conversation that is being answered goes on in memory while another is looked at. */
const runningChat = (id) => running.get(id)?.chat;

async function rename(other) {
  const title = await question("Rename the conversation", "Rename", "Title", other.title);
  if (!title?.trim()) return;
  other.title = title.trim();
  saveChat(other);
  drawChats();
}

async function remove(other) {
  if (await question(`Delete “${other.title}”?`, "Delete") === null) return;
  running.get(other.id)?.abort();
  other.deleted = true;
  deleteChat(other);
  if (other.id === chat.id) open(loadChats()[0] ?? newChat());
  else drawChats();
}

/** What was typed ("" where there is no field), or null for Cancel. */
function question(title, act, label, value = "") {
  const dialog = byId("question");
  const form = dialog.querySelector("form");
  byId("question-title").textContent = title;
  form.querySelector(".primary").textContent = act;
  form.querySelector("label").hidden = !label;
  form.querySelector("span").textContent = label ?? "";
  form.answer.value = value;
  return new Promise((resolve) => {
    let answer = null;
    form.onsubmit = (event) => {
      event.preventDefault();
      answer = form.answer.value;
      dialog.close();
    };
    dialog.onclose = () => resolve(answer);
    dialog.showModal();
  });
}

// Models

async function fetchModels() {
  try {
    models = await listModels();
    notice(models.length ? "" : "There is no model here yet: fetch one with “uma pull qwen2.5-coder:0.5b”.");
  } catch (error) {
    notice(error.message);
    if (error.status === 401) openSettings("key");
  }
  drawModels();
}

function drawModels() {
  if (models.length) {
    if (!chat.models.length) chat.models = [models[0]];
    chat.models = chat.models.map((name) => models.includes(name) ? name : models[0]);  // one may be gone
  }
  const [first, second] = chat.models;
  for (const [id, chosen] of [["model", first], ["second", second]])
    byId(id).replaceChildren(...models.map((name) => element("option", { value: name, selected: name === chosen }, name)));
  byId("both").checked = second !== undefined;
  byId("second").hidden = second === undefined;
}

function chooseModels() {
  const first = byId("model").value;
  const begins = chat.models.length < 2;  // side by side: with another model, where there is one
  const second = begins ? models.find((name) => name !== first) ?? first : byId("second").value;
  chat.models = byId("both").checked ? [first, second] : [first];
  saveChat(chat);
  drawModels();
}

// Messages

function drawMessages() {
  const list = byId("messages");
  if (chat.messages.length) list.replaceChildren(...chat.messages.map(drawMessage));
  else list.replaceChildren(element("p", { className: "empty" }, "What you write goes to this server and nowhere else. Conversations stay in this browser."));
  drawSend();
  list.scrollTop = list.scrollHeight;
}

function drawMessage(message, index) {
  if (message.role === "user") return index === editing ? drawEditor(message, index) : drawQuestion(message, index);
  const pair = element("div", { className: message.answers.length > 1 ? "pair" : "" });
  pair.append(...message.answers.map((answer) => drawAnswer(answer, index)));
  return pair;
}

function drawQuestion(message, index) {
  const edit = button("Edit", () => {
    editing = index;
    drawMessages();
    byId("edited").focus();
  }, { disabled: running.has(chat.id) });
  return element("article", { className: "user", "aria-label": "You" },
    element("h2", {}, "You"), element("div", { className: "text" }, message.content),
    element("div", { className: "below" }, edit));
}

function drawEditor(message, index) {
  const field = element("textarea", { id: "edited", value: message.content, rows: 4, "aria-label": "Edit the message" });
  const cancel = () => {
    editing = -1;
    drawMessages();
    byId("prompt").focus();
  };
  const send = () => field.value.trim() && goOnFrom(index, field.value);
  field.onkeydown = (event) => {
    if (event.key === "Escape") cancel();
    else if (isEnter(event)) send();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return element("article", { className: "user", "aria-label": "You" }, field,
    element("div", { className: "below" }, button("Cancel", cancel), button("Send again", send)));
}

function drawAnswer(answer, index) {
  const view = new MarkdownView();
  const below = element("div", { className: "below" });
  const article = element("article", { className: "answer", "aria-label": `Answer of ${answer.model}` },
    element("h2", {}, answer.model), view.root, below);
  const update = () => {
    view.update(answer.content);
    article.setAttribute("aria-busy", String(Boolean(answer.busy)));
    below.replaceChildren(element("span", { className: "small" }, answer.note ?? ""));
    if (answer.error) below.prepend(element("span", { className: "error", role: "alert" }, answer.error));
    if (answer.busy) return;
    below.append(copyButton(() => answer.content, "Copy the answer"));
    const { answers } = chat.messages.at(-1);
    if (answers?.at(-1) === answer && !running.has(chat.id))
      below.append(button(answers.length > 1 ? "Regenerate both" : "Regenerate",
        () => goOnFrom(index - 1, chat.messages[index - 1].content)));
  };
  update();
  drawn.set(answer, { update, root: view.root });
  return article;
}

function drawSend() {
  byId("send").textContent = running.has(chat.id) ? "Stop" : "Send";
}

// Asking

function mayAsk() {
  if (!chat.models[0]) notice("There is no model to ask.");
  return chat.models[0] && !running.has(chat.id);
}

/** Message `index` becomes `content`, and what followed it is answered anew. Later turns are kept as a conversation. */
function goOnFrom(index, content) {
  if (!mayAsk()) return;
  if (chat.messages.length > index + 2)
    saveChat({ ...structuredClone(chat), id: newChat().id, title: `${chat.title} (before an edit)` });
  editing = -1;
  chat.messages.length = index;
  send(content);
}

/** The conversation up to message `end` as model number `column` knows it. */
function historyOf(it, end, column) {
  const turns = it.messages.slice(0, end).map((message) => message.role === "user"
    ? { role: "user", content: message.content }
    : { role: "assistant", content: (message.answers[column] ?? message.answers[0]).content });
  return it.system ? [{ role: "system", content: it.system }, ...turns] : turns;
}

async function send(content) {
  const it = chat;
  if (!it.messages.length && it.title === "New conversation") it.title = content.trim().split("\n")[0].slice(0, 60);
  const answers = it.models.map((model) => ({ model, content: "", busy: true }));
  it.messages.push({ role: "user", content }, { role: "assistant", answers });
  const controller = new AbortController();
  controller.chat = it;
  running.set(it.id, controller);
  touch(it);
  drawMessages();
  const end = it.messages.length - 1;
  await Promise.all(answers.map((answer, column) => fill(answer, it, historyOf(it, end, column), controller.signal)));
  running.delete(it.id);
  touch(it);
  if (it !== chat) return;
  // Not drawn anew: whoever reads on above, or has gone to a button, stays there.
  for (const answer of answers) drawn.get(answer).update();
  for (const edit of document.querySelectorAll(".user button")) edit.disabled = false;
  drawSend();
  byId("status").textContent = answers.map((answer) =>
    answer.error ?? `${answer.model} answered: ${drawn.get(answer).root.innerText}`).join("\n");
}

function touch(it) {
  if (it.deleted) return;
  it.updated = Date.now();
  saveChat(it);
  drawChats();
}

/** Asks one model, and lets its answer grow. */
async function fill(answer, it, messages, signal) {
  let scheduled = false;
  let saved = performance.now();
  const show = () => {
    scheduled = false;
    const list = byId("messages");
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    drawn.get(answer)?.update();
    if (atEnd) list.scrollTop = list.scrollHeight;
  };
  try {
    const body = { model: answer.model, messages, options: it.options, stream: true };
    let begun = 0;
    let pieces = 0;
    for await (const chunk of streamAnswer(body, signal)) {
      const now = performance.now();
      begun ||= now;
      answer.content += chunk.message.content;
      answer.note = chunk.done ? figures(chunk) : now - begun < 500 ? "" : `≈ ${rate(++pieces, (now - begun) / 1000)}`;
      if (!chunk.done && now - begun < 500) ++pieces;
      if (!scheduled) requestAnimationFrame(show);
      scheduled = true;
      if (now - saved > 2000 && !it.deleted) {
        saved = now;
        saveChat(it);
      }
    }
  } catch (error) {
    if (error.name === "AbortError") answer.note = "stopped";
    else answer.error = error.message;
    if (error.status === 401) openSettings("key");
  } finally {
    delete answer.busy;
    show();
  }
}

const rate = (tokens, seconds) => `${(tokens / seconds).toFixed(1)} tokens/s`;

function figures(chunk) {
  const parts = [`${chunk.eval_count ?? 0} tokens`];
  if (chunk.eval_duration) parts.push(rate(chunk.eval_count, chunk.eval_duration / 1e9));
  if (chunk.done_reason === "length") parts.push("cut off by the limit of tokens");
  return parts.join(" · ");
}

function stop() {
  running.get(chat.id)?.abort();
}

const isEnter = (event) => event.key === "Enter" && !event.shiftKey && !event.isComposing;

// Settings

function openSettings(focus = "system") {
  if (byId("settings").open) return;
  const form = byId("settings").querySelector("form");
  form.system.value = chat.system;
  form.key.value = sessionStorage.getItem(KEY) ?? "";
  for (const field of form.querySelectorAll("[type=number]")) field.value = chat.options[field.name] ?? "";
  byId("settings").showModal();
  form[focus].focus();
}

function saveSettings(event) {
  event.preventDefault();
  const form = event.target;
  chat.system = form.system.value.trim();
  chat.options = {};
  for (const field of form.querySelectorAll("[type=number]"))
    if (field.value !== "") chat.options[field.name] = field.valueAsNumber;
  sessionStorage.setItem(KEY, form.key.value.trim());
  saveChat(chat);
  byId("settings").close();
  fetchModels();
}

const THEMES = ["auto", "light", "dark"];

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Theme: ${theme}`;
}

function showMenu(open) {
  byId("side").classList.toggle("open", open);
  byId("menu").setAttribute("aria-expanded", String(open));
}

// What the page does with keys and clicks

byId("new").onclick = () => open(newChat());
byId("export-all").onclick = () => download("conversations.json", loadChats());
byId("menu").onclick = () => showMenu(!byId("side").classList.contains("open"));
byId("model").onchange = byId("second").onchange = byId("both").onchange = chooseModels;
byId("open-settings").onclick = () => openSettings();
byId("settings").querySelector("form").onsubmit = saveSettings;
for (const cancel of document.querySelectorAll("dialog .cancel")) cancel.onclick = () => cancel.closest("dialog").close();
byId("theme").onclick = () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  writeEntry(THEME, next);
  setTheme(next);
};

const prompt = byId("prompt");
const fitPrompt = () => {
  prompt.style.height = "auto";
  prompt.style.height = `${prompt.scrollHeight + 2}px`;
};
prompt.oninput = fitPrompt;
prompt.onkeydown = (event) => {
  if (!isEnter(event)) return;
  event.preventDefault();
  if (!running.has(chat.id)) byId("ask").requestSubmit();
};
byId("ask").onsubmit = (event) => {
  event.preventDefault();
  if (running.has(chat.id)) return stop();
  if (!prompt.value.trim() || !mayAsk()) return;
  const content = prompt.value;
  prompt.value = "";
  fitPrompt();
  send(content);
};
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  showMenu(false);
  stop();
});
addEventListener("storage", drawChats);
addEventListener("pagehide", () => { for (const { chat: it } of running.values()) saveChat(it); });

setTheme(THEMES.includes(readEntry(THEME)) ? readEntry(THEME) : "auto");
drawChats();
drawMessages();
fetchModels();
