// Conversations, kept in this browser: an entry each, so that two tabs do not write over each other's.
//
// chat     {id, title, updated, models: [name, second or nothing], system, options, messages}
// message  {role: "user", content} or {role: "assistant", answers: [answer of each model]}
// answer   {model, content, note, error}

const CHAT = "uma.chat.";
const LAST = "uma.last";    // what a new conversation begins with
const THEME = "uma.theme";
const KEY = "uma.key";      // for this tab only

function readEntry(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return null;  // not ours, or of another version: it is left where it is
  }
}

function writeEntry(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    notice("This browser has no room left for conversations: export or delete some.");
  }
}

/** All of them, the last used first. */
function loadChats() {
  const chats = Object.keys(localStorage).filter((name) => name.startsWith(CHAT)).map(readEntry)
    .filter((chat) => Array.isArray(chat?.messages));
  for (const { messages } of chats)
    for (const answer of messages.flatMap((message) => message.answers ?? [])) delete answer.busy;  // nobody asks any more
  return chats.sort((a, b) => b.updated - a.updated);
}

function newChat() {
  const last = readEntry(LAST) ?? {};
  return { id: crypto.getRandomValues(new Uint32Array(2)).join("-"), title: "New conversation", updated: Date.now(),
    models: last.models ?? [], system: last.system ?? "", options: last.options ?? {}, messages: [] };
}

/** An empty conversation is no entry, only the beginning of the next one. */
function saveChat(chat) {
  writeEntry(LAST, { models: chat.models, system: chat.system, options: chat.options });
  if (chat.messages.length) writeEntry(CHAT + chat.id, chat);
}

function deleteChat(chat) {
  localStorage.removeItem(CHAT + chat.id);
}

/** Hands the browser a file to keep. */
function download(name, value) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(value, null, 2)], { type: "application/json" }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
