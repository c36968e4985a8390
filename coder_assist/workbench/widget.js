/*
 * The desk in a notebook. This text follows that of desk.js in one module, so `createDesk` is there.
 * The adapter sends its questions as messages to the kernel, where `Answering` answers them.
 */

function adapterOver(model) {
  const name = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
  const waiting = new Map();
  let asked = 0;
  const heard = (message) => {
    if (!waiting.has(message.id)) return;
    const { resolve, reject } = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.problem) reject(Object.assign(new Error(message.problem.message), message.problem));
    else resolve(message.answer);
  };
  model.on("msg:custom", heard);
  const ask = (method, given = {}) =>
    new Promise((resolve, reject) => {
      const id = `${name}:${(asked += 1)}`;
      waiting.set(id, { resolve, reject });
      model.send({ id, view: name, method, given });
    });
  return {
    name,
    close: () => model.off("msg:custom", heard),
    adapter: {
      load: () => ask("load"),
      decide: (decisions, version, key) => ask("decide", { decisions, version, key }),
      undo: (version, key) => ask("undo", { version, key }),
      order: (codes, version, key) => ask("order", { codes, version, key }),
      search: (words, system) => ask("search", { words, system }),
      entry: (system, code) => ask("entry", { system, code }),
      phrase: (place) => ask("phrase", place),
      hold: (query, version) => ask("hold", { query, version }),
      release: (answer, version) => ask("release", { answer, version }),
      submit: (version) => ask("submit", { version }),
      reopen: () => ask("reopen"),
      claim: () => ask("claim"),
      history: () => ask("history"),
      comment: (text) => ask("comment", { text }),
    },
  };
}

/** JupyterLab says on <body> whether its theme is light; elsewhere the browser's wish holds. */
function dress(frame) {
  const light = document.body.dataset.jpThemeLight;
  if (light) frame.dataset.theme = light === "true" ? "light" : "dark";
}

function render({ model, el: cell }) {
  const frame = document.createElement("div");
  frame.className = "ca-widget";
  frame.dataset.lmSuppressShortcuts = "true"; // or JupyterLab would take the desk's keys for its own
  cell.append(frame);
  dress(frame);
  const themes = new MutationObserver(() => dress(frame));
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });

  const { adapter, name, close } = adapterOver(model);
  let desk = null;
  const open = () => {
    if (desk) desk.destroy();
    const root = document.createElement("div");
    frame.replaceChildren(root);
    desk = createDesk(root, adapter, { scope: "root" });
  };
  open();

  // What Python or another view changed is shown once this one's own decisions are saved.
  const changed = async (message) => {
    if (message.event !== "changed" || message.view === name) return;
    await desk.drained();
    if (desk.state) await desk.reload();
    else open();
  };
  model.on("msg:custom", changed);
  return () => {
    model.off("msg:custom", changed);
    close();
    themes.disconnect();
    desk.destroy();
  };
}

export default { render };
