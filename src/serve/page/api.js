// The server's two paths that the page needs: /api/tags and /api/chat.

class ServerError extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

async function ask(path, body, signal) {
  const headers = {};
  const key = sessionStorage.getItem(KEY);
  if (key) headers.Authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(0, "The server cannot be reached.");
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => null);
  throw new ServerError(response.status, said?.error?.message ?? said?.error ?? `The server said ${response.status}.`);
}

/** Names of the models that may be asked. */
async function listModels() {
  const { models } = await (await ask("/api/tags")).json();
  return models.map((model) => model.name);
}

/** An answer's chunks as they come; the last one has `done` and the figures. */
async function* streamAnswer(body, signal) {
  const reader = (await ask("/api/chat", body, signal)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new ServerError(0, "The connection broke before the answer was whole.");
    });
    if (done) throw new ServerError(0, "The answer ended before it was whole.");
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines.filter(Boolean)) {
      const chunk = JSON.parse(line);
      if (chunk.error) throw new ServerError(200, chunk.error);
      yield chunk;
      if (chunk.done) return;
    }
  }
}
