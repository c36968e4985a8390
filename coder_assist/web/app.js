/*
 * The page around the desk: signing in, the worklist, the lead's and the auditor's views, practice, people.
 * It alone knows the network; the desk gets an adapter.
 */

import { createDesk, dialog, el, fill } from "./desk.js";

const app = document.getElementById("app");
let session = null;
let lastPerson = null; // whose session ended last
let desk = null;
let touched = Date.now(); // when somebody last did something here
let asked = Date.now(); // when the service was last asked
let leaving = []; // desks that are off the page and still have something to save

// ---- the network ---------------------------------------------------------------------------------------------

/** Ask the service. Rejects with an Error that says its `kind` and carries the problem's members. */
async function ask(method, path, body, headers = {}) {
  asked = Date.now();
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: {
        Accept: "application/json",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(session && method !== "GET" ? { "X-CSRF-Token": session.csrf } : {}),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
    });
  } catch {
    throw Object.assign(new Error("The service cannot be reached."), { kind: "offline" });
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const problem = await answer.json().catch(() => ({}));
  const type = String(problem.type || "").split(":").pop();
  const kind =
    type === "conflict" || type === "key-reused"
      ? "conflict"
      : { 401: "signed-out", 409: "state", 502: "offline", 503: "offline", 504: "offline" }[answer.status] || "refused";
  if (kind === "signed-out" && session) {
    // After this request has been answered, so that what it carried is still kept by its desk.
    lastPerson = session.user.id;
    session = null;
    setTimeout(route);
  }
  throw Object.assign(new Error(problem.detail || problem.title || `The service answered ${answer.status}.`), problem, { kind, status: answer.status });
}

const get = (path) => ask("GET", path);
const post = (path, body, headers) => ask("POST", path, body, headers);

/** What the desk asks, over HTTP, for one encounter. */
function adapterOf(id) {
  const base = `/v1/encounters/${encodeURIComponent(id)}`;
  return {
    load: async () => {
      for (const left of leaving.filter((other) => other.encounter === id)) await left.desk.drained(3000);
      let state = await get(base);
      for (let turn = 0; turn < 60 && state.run && ["queued", "running"].includes(state.run.state); turn += 1) {
        await new Promise((resolve) => setTimeout(resolve, 250));
        state = await get(base);
      }
      return state;
    },
    decide: (decisions, version, key) => post(`${base}/decisions`, { version, decisions }, { "Idempotency-Key": key }),
    undo: (version, key) => post(`${base}/undo`, { version }, { "Idempotency-Key": key }),
    order: (order, version, key) => post(`${base}/order`, { version, order }, { "Idempotency-Key": key }),
    search,
    entry: (system, code) => get(`/v1/codes/${encodeURIComponent(system)}/${encodeURIComponent(code)}`),
    phrase: async (place) => (await post(`${base}/phrase`, place)).suggestions,
    hold: (query, version) => post(`${base}/hold`, { version, query }),
    release: (answer, version) => post(`${base}/release`, { version, answer }),
    submit: (version) => post(`${base}/submit`, { version }),
    reopen: () => post(`${base}/reopen`, {}),
    claim: () => get(`${base}/claim`),
    history: async () => (await get(`${base}/history`)).events,
    comment: (text) => post(`${base}/comments`, { text }),
  };
}

async function search(words, system) {
  const query = new URLSearchParams({ q: words, ...(system ? { system } : {}) });
  return (await get(`/v1/codes/search?${query}`)).results;
}

// ---- the frame -----------------------------------------------------------------------------------------------

const can = (...roles) => session && roles.includes(session.user.role);

/** Take the desk off the page; if it still has something to save, it goes on until that is done. */
function leave() {
  if (!desk) return;
  const left = { desk, encounter: desk.encounterId, person: session ? session.user.id : lastPerson };
  desk.destroy();
  desk = null;
  if (left.desk.unsaved) leaving.push(left);
  leaving = leaving.filter((other) => other.desk.unsaved);
}

function frame(title, ...content) {
  leave();
  document.title = title ? `${title} · coder_assist` : "coder_assist";
  const here = location.hash || "#/";
  const at = (to) => here === to || (to === "#/" ? here.startsWith("#/encounter") : here.startsWith(to));
  const link = (to, words) => el("a", { href: to, "aria-current": at(to) ? "page" : null }, words);
  const main = el("main", { class: "ca-main", id: "main", tabindex: "-1" }, ...content);
  fill(
    app,
    el(
      "header",
      { class: "ca-top" },
      el("a", { href: "#/", class: "ca-brand" }, el("img", { src: "/icon.svg", alt: "", width: "22", height: "22" }), "coder_assist"),
      el(
        "nav",
        { "aria-label": "Views" },
        can("coder", "lead", "auditor", "data_scientist") && link("#/", "Worklist"),
        can("lead") && link("#/overview", "Overview"),
        can("auditor", "lead", "coder") && link("#/audits", "Audits"),
        session.practice_available && !can("admin") && link("#/practice", "Practice"),
        can("admin", "lead") && link("#/people", "People"),
      ),
      el(
        "span",
        { class: "ca-who" },
        el("span", { class: "ca-name" }, el("b", {}, session.user.name), ` ${session.user.role.replace("_", " ")}`),
        el("button", { type: "button", class: "ca-icon", onclick: theme, "aria-label": "Light or dark", title: "Light or dark" }, "◐"),
        el("button", { type: "button", onclick: signOut }, "Sign out"),
      ),
    ),
    main,
  );
  return main;
}

function theme() {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("ca-theme", document.documentElement.dataset.theme);
}

async function signOut() {
  if (desk && !(await desk.drained(3000))) return note("Some changes are not saved yet. Sign out when the connection is back.");
  await ask("DELETE", "/v1/session").catch(() => {});
  session = null;
  route();
}

function signIn() {
  leave();
  document.title = "Sign in · coder_assist";
  const problem = el("p", { class: "ca-problem", role: "alert" });
  const name = el("input", { name: "name", autocomplete: "username", required: true });
  const password = el("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const kept = leaving.reduce((sum, left) => sum + left.desk.unsaved, 0);
  const form = el(
    "form",
    {
      class: "ca-sign-in",
      onsubmit: async (event) => {
        event.preventDefault();
        problem.textContent = "";
        try {
          await post("/v1/session", { name: name.value, password: password.value });
          await begin();
        } catch (refusal) {
          problem.textContent = refusal.message;
        }
      },
    },
    el("h1", {}, el("img", { src: "/icon.svg", alt: "", width: "34", height: "34" }), "coder_assist"),
    el("p", { class: "ca-lead" }, "Reads the notes, proposes the codes with their evidence. You decide."),
    kept > 0 && el("p", { class: "ca-caution" }, `Not saved yet: ${kept} ${kept === 1 ? "change" : "changes"}. Sign in as yourself to have it sent.`),
    el("label", {}, "Name", name),
    el("label", {}, "Password", password),
    problem,
    el("button", { type: "submit", class: "ca-primary" }, "Sign in"),
    el("p", { class: "ca-lead" }, "On a demo, open one of the links that the service printed when it started."),
  );
  fill(app, el("main", { class: "ca-main ca-centre" }, form));
  name.focus();
}

// ---- worklist and desk ---------------------------------------------------------------------------------------

const STATES = ["new", "in_review", "on_hold", "submitted", "returned", "audited", "accepted"];
const UNFINISHED = ["new", "in_review", "on_hold", "returned"];
const filters = { state: "unfinished", assigned: "", sort: "age", q: "" };

async function worklist(into, currentId) {
  const list = el("ol", { class: "ca-worklist-items" });
  let cursor = null;
  let turn = 0;
  const more = el("button", { type: "button", hidden: true, onclick: () => page() }, "More");
  const page = async () => {
    const mine = (turn += 1);
    const { state: wanted, ...others } = filters;
    const query = new URLSearchParams(Object.entries({ ...others, limit: "50", cursor: cursor || "" }).filter(([, value]) => value));
    for (const state of wanted === "unfinished" ? UNFINISHED : [wanted]) if (state) query.append("state", state);
    const { items, next } = await get(`/v1/encounters?${query}`);
    if (mine !== turn) return;
    if (!cursor) fill(list);
    list.append(...items.map((item) => worklistItem(item, currentId)));
    into.current = items.find((item) => item.id === currentId) || into.current;
    if (!list.children.length) list.append(el("li", { class: "ca-empty" }, Object.values({ ...filters, sort: "" }).some(Boolean) ? "No encounter matches these filters." : "No encounter is here yet."));
    cursor = next;
    more.hidden = !next;
  };
  const again = () => {
    cursor = null;
    page().catch((problem) => note(problem.message));
  };
  const choose = (name, label, options) =>
    el(
      "select",
      {
        "aria-label": label,
        onchange: (event) => {
          filters[name] = event.target.value;
          again();
        },
      },
      options.map(([value, words]) => el("option", { value, selected: filters[name] === value }, words)),
    );
  fill(
    into,
    el(
      "div",
      { class: "ca-worklist-head" },
      el(currentId ? "h2" : "h1", {}, "Worklist"),
      can("coder", "lead") && el("button", { type: "button", class: "ca-primary", onclick: claimNext }, "Next encounter"),
    ),
    el(
      "div",
      { class: "ca-filters" },
      choose("state", "State", [["unfinished", "To do"], ["", "Any state"], ...STATES.map((state) => [state, words(state)])]),
      can("coder", "lead") && choose("assigned", "Whose", [["", "Everybody's"], ["me", "Mine"], ["none", "Nobody's"]]),
      choose("sort", "Order", [["age", "Oldest first"], ["-age", "Newest first"], ["priority", "By priority"]]),
      el("input", { type: "search", "aria-label": "How the encounter's id begins", placeholder: "Id begins with", value: filters.q, oninput: (event) => { filters.q = event.target.value.trim(); again(); } }),
    ),
    list,
    more,
  );
  await page();
}

const words = (name) => name.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase());
const state = (name) => el("span", { class: `ca-state ca-state-${name}` }, name.replaceAll("_", " "));

function worklistItem(item, currentId) {
  const facts = [item.id, item.specialty || item.setting, item.age === null ? null : `${item.age} y`];
  const work = item.run_state === "failed" ? "no suggestions" : item.run_state !== "done" ? "computing suggestions …" : item.undecided ? `${item.undecided} to decide` : item.decided ? "all decided" : "nothing preselected";
  return el(
    "li",
    {},
    el(
      "a",
      { href: `#/encounter/${encodeURIComponent(item.id)}`, "aria-current": item.id === currentId ? "true" : null },
      el("strong", { title: item.title || item.id }, item.title || item.id),
      el("small", {}, facts.filter(Boolean).join(" · ")),
      state(item.state),
      el("small", {}, [work, item.assigned_to && (item.assigned_to === session.user.id ? "mine" : item.assigned_to)].filter(Boolean).join(" · ")),
    ),
  );
}

async function claimNext() {
  try {
    const next = await post("/v1/encounters/claim-next", {});
    if (!next) return note("There is no new encounter.");
    location.hash = `#/encounter/${encodeURIComponent((next.encounter || next).id)}`;
    if (location.hash === lastHash) route();
  } catch (problem) {
    note(problem.message);
  }
  return null;
}

/** Say something at the foot of the page, with what may be done about it. */
function note(said, ...buttons) {
  clearNotes();
  const bar = el("div", { class: "ca-note-bar", role: "status" }, el("span", {}, said), ...buttons, el("button", { type: "button", onclick: () => bar.remove() }, buttons.length ? "Stay" : "OK"));
  app.append(bar);
  return null;
}

function clearNotes() {
  document.querySelectorAll(".ca-note-bar").forEach((old) => old.remove());
}

async function encounterView(id) {
  const list = el("aside", { class: "ca-worklist", "aria-label": "Worklist", tabindex: "0" });
  const area = el("div", { class: "ca-area" });
  const toggle = el(
    "button",
    { type: "button", class: "ca-toggle ca-icon", "aria-expanded": "true", "aria-label": "Worklist", title: "Worklist", onclick: () => collapse(main.dataset.list !== "no") },
    "☰",
  );
  const main = frame(id || "Worklist", toggle, list, area);
  const collapse = (away) => {
    main.dataset.list = away ? "no" : "yes";
    toggle.setAttribute("aria-expanded", String(!away));
  };
  main.classList.add("ca-with-list");
  const kept = innerWidth < 820 ? null : localStorage.getItem("ca-list");
  collapse(Boolean(id) && (kept ? kept === "no" : innerWidth < 1360));
  toggle.addEventListener("click", () => localStorage.setItem("ca-list", main.dataset.list));
  const drawn = worklist(list, id).catch((problem) => list.append(el("p", { class: "ca-problem" }, problem.message)));
  if (!id) {
    fill(area, welcome());
    await drawn;
    return;
  }
  const root = el("div");
  area.append(root);
  const opened = createDesk(root, adapterOf(id), {
    readonly: !can("coder", "lead"),
    ...keySettings(),
    tools: can("lead") ? [el("button", { type: "button", onclick: () => assign(id) }, "Assign")] : null,
  });
  desk = opened;
  opened.encounterId = id;
  root.addEventListener("desk:ready", () => {
    const { title } = opened.state.encounter;
    document.title = `${title || id} · coder_assist`;
    drawn.then(() => {
      const mine = list.querySelector("a[aria-current]");
      if (mine && mine.offsetTop > list.clientHeight - 80) list.scrollTop = mine.offsetTop - list.clientHeight / 2;
    });
  });
  root.addEventListener("desk:changed", () => {
    const mine = list.querySelector("a[aria-current]");
    if (mine && list.current) mine.parentElement.replaceWith(worklistItem({ ...list.current, ...opened.counts(), state: opened.state.encounter.state, assigned_to: session.user.id }, id));
  });
  const refresh = () => worklist(list, id).catch(() => {});
  root.addEventListener("desk:state", refresh);
  root.addEventListener("desk:submitted", (event) => {
    const { strokes, decisions } = event.detail;
    const each = decisions && strokes ? ` ${decisions} decisions, ${(strokes / decisions).toFixed(1)} keystrokes each.` : "";
    const next = el("button", { type: "button", class: "ca-primary", onclick: claimNext }, "Next encounter");
    note(`Submitted.${each}`, next);
    next.focus();
    refresh();
  });
}

function welcome() {
  return el(
    "div",
    { class: "ca-welcome" },
    el("h2", {}, `Good to see you, ${session.user.name}`),
    can("coder", "lead")
      ? [
          el("p", {}, "Take the next encounter, or choose one from the worklist.", session.demo && " All of them are invented: nothing can go wrong here."),
          el("p", {}, el("button", { type: "button", class: "ca-primary", onclick: claimNext }, "Take the next encounter")),
          el(
            "ul",
            { class: "ca-hints-list" },
            [["a", "accepts the suggestion you stand on; the next one comes up by itself"], ["r", "rejects it; a digit after it says why"], ["1–9", "takes one of the alternatives instead"], ["/", "searches any other code"], ["u", "takes the last decision back"], ["?", "shows all keys, and lets you change them"]].map(([key, what]) => el("li", {}, el("kbd", {}, key), what)),
          ),
        ]
      : el("p", {}, "Choose an encounter from the worklist to read it."),
  );
}

/** A lead gives an encounter to somebody, or back to nobody. */
async function assign(id) {
  const { users } = await get("/v1/users");
  const who = el("select", { autofocus: true }, el("option", { value: "" }, "nobody"), users.filter((user) => user.active && ["coder", "lead"].includes(user.role)).map((user) => el("option", { value: user.id, selected: desk.state.encounter.assigned_to === user.id }, `${user.name} (${user.role})`)));
  const done = await dialog(app, "Assign this encounter", (close) =>
    el(
      "form",
      { method: "dialog", onsubmit: () => close(true) },
      el("label", {}, "To", who),
      el("div", { class: "ca-actions" }, el("button", { type: "submit", class: "ca-primary" }, "Assign"), el("button", { type: "button", onclick: () => close() }, "Cancel")),
    ),
  );
  if (!done) return;
  try {
    await post(`/v1/encounters/${encodeURIComponent(id)}/assign`, { to: who.value || null });
    await route();
  } catch (problem) {
    note(problem.message);
  }
}

/** The keys of this browser: which key does what, and whether single keys do anything at all. */
function keySettings() {
  let saved = {};
  try {
    saved = JSON.parse(localStorage.getItem("ca-keys") || "{}");
  } catch {
    saved = {};
  }
  return {
    keys: saved.keys || {},
    shortcuts: saved.shortcuts !== false,
    saveKeys: (keys, shortcuts) => localStorage.setItem("ca-keys", JSON.stringify({ keys, shortcuts })),
  };
}

// ---- the lead ------------------------------------------------------------------------------------------------

const table = (head, rows, { empty = "Nothing yet.", numbers = [] } = {}) =>
  rows.length
    ? el(
        "div",
        { class: "ca-table-box", tabindex: "0", role: "group", "aria-label": head.join(", ") },
        el(
          "table",
          { class: "ca-table", role: "table" },
          el("thead", {}, el("tr", { role: "row" }, head.map((said, place) => el("th", { scope: "col", role: "columnheader", class: numbers.includes(place) ? "ca-number" : null }, said)))),
          // Where the page is narrow a row becomes a card, and each cell says which column it is.
          el("tbody", {}, rows.map((row) => el("tr", { role: "row" }, row.map((cell, place) => el("td", { role: "cell", dataset: { label: head[place] }, class: numbers.includes(place) ? "ca-number" : null }, cell instanceof Node || Array.isArray(cell) ? cell : String(cell ?? "")))))),
        ),
      )
    : el("p", { class: "ca-empty" }, empty);

const encounterLink = (id) => el("a", { href: `#/encounter/${encodeURIComponent(id)}` }, id);
const moment = (at) => (at ? new Date(at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) : "");

/** Numbers with what they count; a number that is a link leads to what it counted. */
const tiles = (entries) =>
  el("ul", { class: "ca-tiles" }, entries.map(([count, said, link]) => el("li", { class: count ? null : "ca-none" }, link ? el("a", link, el("b", {}, String(count)), el("span", {}, said)) : [el("b", {}, String(count)), el("span", {}, said)])));

async function overview() {
  const main = frame("Overview", el("h1", {}, "Overview"));
  const [shown, { users }] = await Promise.all([get("/v1/overview"), get("/v1/users")]);
  const named = (id) => (users.find((user) => user.id === id) || { name: id }).name;
  const bar = (value, most) => el("span", { class: "ca-with-bar" }, el("meter", { min: "0", max: String(most), value: String(value), "aria-hidden": "true" }), String(value));
  const most = (values) => Math.max(1, ...values);
  const minutes = (value) => (value === null ? "–" : value < 1 ? "under 1" : value.toFixed(1));
  const sum = (name) => shown.days.reduce((total, day) => total + day[name], 0);
  const listed = (name) => ({ href: "#/", onclick: () => Object.assign(filters, { state: name, assigned: "", q: "" }) });
  const waited = Object.entries(shown.ages);
  const open = Object.entries(shown.assigned).sort((one, other) => other[1] - one[1]);
  const decisions = sum("decisions");
  main.append(
    el("section", {}, el("h2", {}, "Encounters by state"), tiles(STATES.filter((name) => name in shown.states).map((name) => [shown.states[name], name.replaceAll("_", " "), listed(name)]))),
    el(
      "div",
      { class: "ca-halves" },
      el("section", {}, el("h2", {}, "How long the open ones have waited"), table(["Waiting", "Encounters"], waited.map(([days, count]) => [days === "0" ? "since today" : `${days} ${days === "1" ? "day" : "days"}`, bar(count, most(waited.map(([, other]) => other)))]))),
      el("section", {}, el("h2", {}, "Open ones by coder"), table(["Coder", "Open"], open.map(([id, count]) => [id ? named(id) : "nobody", bar(count, most(open.map(([, other]) => other)))]), { empty: "Nobody has one." })),
    ),
    el(
      "section",
      {},
      el("h2", {}, "Throughput, last two weeks"),
      tiles([[sum("submitted"), "submitted"], [decisions, "decisions"], [decisions ? `${Math.round((100 * sum("bulk_decisions")) / decisions)} %` : "–", "of them in bulk"], [new Set(shown.days.map((day) => day.person)).size, "coders at work"]]),
      table(["Day", "Coder", "Decisions", "In bulk", "Submitted", "Median minutes"], shown.days.map((d) => [d.day, named(d.person), bar(d.decisions, most(shown.days.map((day) => day.decisions))), d.bulk_decisions, d.submitted, minutes(d.median_minutes)]), { empty: "No decision in the last two weeks.", numbers: [3, 4, 5] }),
    ),
    el("section", {}, el("h2", {}, "On hold"), table(["Encounter", "Since", "By", "Query"], shown.holds.map((hold) => [encounterLink(hold.encounter), moment(hold.at), named(hold.by), el("span", { class: "ca-clamp" }, hold.query)]), { empty: "No query is open." })),
  );
}

// ---- audits --------------------------------------------------------------------------------------------------

async function audits() {
  const main = frame("Audits", el("h1", {}, "Audits"));
  const { audits: all } = await get("/v1/audits");
  if (can("auditor", "lead")) {
    const kind = el("select", {}, [["random", "Random"], ["stratified", "By setting and coder"], ["risk", "Where risk is"]].map(([value, said]) => el("option", { value }, said)));
    const size = el("input", { type: "number", min: "1", max: "1000", value: "10" });
    const seed = el("input", { type: "number", min: "0", value: "1", title: "The same seed draws the same sample again" });
    const blinded = el("input", { type: "checkbox" });
    main.append(
      el(
        "form",
        {
          class: "ca-form",
          onsubmit: async (event) => {
            event.preventDefault();
            try {
              const made = await post("/v1/audits", { sample: { kind: kind.value, size: Number(size.value), seed: Number(seed.value), blinded: blinded.checked } });
              location.hash = `#/audits/${made.id}`;
            } catch (problem) {
              note(problem.message);
            }
          },
        },
        el("label", {}, "Sample", kind),
        el("label", {}, "Size", size),
        el("label", {}, "Seed", seed),
        el("label", { title: "The auditor codes the notes alone and sees the coder's codes only then" }, "Blinded", blinded),
        el("button", { type: "submit", class: "ca-primary" }, "Begin an audit"),
        el("p", { class: "ca-empty" }, "Drawn from the submitted encounters that no audit has yet."),
      ),
    );
  }
  main.append(
    table(
      ["Audit", "Sample", "Begun", "By", "Encounters", "Finished"],
      all.map((audit) => [
        el("a", { href: `#/audits/${audit.id}` }, `Audit ${audit.id}`),
        `${audit.sample.kind}, seed ${audit.sample.seed}${audit.sample.blinded ? ", blinded" : ""}`,
        moment(audit.at),
        audit.by,
        audit.items.length,
        `${audit.items.filter((item) => item.finished_at).length} of ${audit.items.length}`,
      ]),
      { empty: "No audit has begun.", numbers: [4] },
    ),
  );
}

async function auditView(id) {
  const main = frame(`Audit ${id}`, el("p", { class: "ca-path" }, el("a", { href: "#/audits" }, "Audits")), el("h1", {}, `Audit ${id}`));
  const audit = await get(`/v1/audits/${id}`);
  const findings = audit.items.flatMap((item) => item.findings);
  const overturned = findings.filter((finding) => finding.stands === "overturn").length;
  const done = audit.items.filter((item) => item.finished_at).length;
  main.append(
    tiles([[audit.items.length, "encounters"], [done, "finished"], [findings.length - overturned, "codes agreed"], [overturned, "overturned"]]),
    table(
      ["Encounter", "Coder", "Codes", "Looked at", "Overturned", "State"],
      audit.items.map((item) => [
        el("a", { href: `#/audits/${id}/${encodeURIComponent(item.encounter)}` }, item.encounter),
        item.submission.by,
        item.veiled ? "veiled" : item.submission.codes.length,
        item.findings.length,
        item.findings.filter((finding) => finding.stands === "overturn").length,
        item.finished_at ? [state(item.outcome || item.state), ` ${moment(item.finished_at)}`] : state(item.state),
      ]),
      { numbers: [2, 3, 4], empty: "No submitted encounter could be drawn." },
    ),
  );
}

const ERRORS = ["missed", "unsupported", "wrong_specificity", "sequencing", "laterality", "modifier"];

async function auditEncounter(auditId, id) {
  const audit = await get(`/v1/audits/${auditId}`);
  const drawn = audit.items.find((item) => item.encounter === id);
  if (drawn && drawn.veiled && can("auditor")) return codeBlind(auditId, id);
  const side = el("section", { class: "ca-audit", "aria-label": "Audit", tabindex: "0" });
  const root = el("div");
  const main = frame(`Audit of ${id}`, el("div", { class: "ca-area" }, root), side);
  main.classList.add("ca-with-audit");
  const adapter = adapterOf(id);
  desk = createDesk(root, adapter, { readonly: true, ...keySettings() });
  const base = `/v1/audits/${auditId}/encounters/${encodeURIComponent(id)}`;
  const act = async (request) => {
    try {
      await request();
      await draw();
    } catch (problem) {
      note(problem.message);
    }
  };
  const buttons = (close, word) => el("div", { class: "ca-actions" }, el("button", { type: "submit", class: "ca-primary" }, word), el("button", { type: "button", onclick: () => close() }, "Cancel"));
  const agree = (code) => post(`${base}/findings`, { system: code.system, code: code.code, verdict: "agree" });
  const overturn = async (code) => {
    const right = el("input", { autocomplete: "off", spellcheck: "false", autofocus: true, required: !code });
    const system = el("select", {}, ["ICD-10-CM", "CPT", "HCPCS", "ICD-10-PCS"].map((value) => el("option", { value, selected: Boolean(code && code.system === value) }, value)));
    const error = el("select", {}, ERRORS.filter((value) => value !== "missed").map((value) => el("option", { value }, words(value))));
    const reason = el("textarea", { rows: "4", required: true, maxlength: "4000" });
    const done = await dialog(main, code ? `Overturn ${code.code}` : "A code was missed", (close) =>
      el(
        "form",
        { method: "dialog", onsubmit: () => close(true) },
        code && el("p", { class: "ca-empty" }, code.title),
        el("div", { class: "ca-pair" }, el("label", {}, "System", system), el("label", {}, code ? "The right code; empty if there is none" : "The missed code", right)),
        code && el("label", {}, "What was wrong", error),
        el("label", {}, "Reason, which the coder reads", reason),
        buttons(close, "Record"),
      ),
    );
    if (!done) return;
    const correct = right.value.trim() ? { system: system.value, code: right.value.trim() } : null;
    const about = code || correct;
    await act(() => post(`${base}/findings`, { system: about.system, code: about.code, verdict: "overturn", correct, error: code ? error.value : "missed", reason: reason.value }));
  };
  const say = async (title, label, send) => {
    const text = el("textarea", { rows: "4", required: true, autofocus: true, maxlength: "4000" });
    const done = await dialog(main, title, (close) => el("form", { method: "dialog", onsubmit: () => close(true) }, el("label", {}, label, text), buttons(close, "Send")));
    if (done) await act(() => send(text.value));
  };
  const said = (who, text) => text && el("p", { class: "ca-remark" }, el("b", {}, `${who} `), text);
  const same = (one, other) => one.system === other.system && one.code === other.code;
  const draw = async () => {
    const [audit, { run }] = await Promise.all([get(`/v1/audits/${auditId}`), adapter.load()]);
    const item = audit.items.find((candidate) => candidate.encounter === id);
    if (!item) throw new Error(`Encounter ${id} is not part of audit ${auditId}.`);
    const open = item.state === "submitted";
    const rebutted = item.findings.some((finding) => finding.state === "rebutted");
    const suggested = (code) => run && run.suggestions.find((suggestion) => same(suggestion, code));
    const toolWords = (code) => {
      const found = suggested(code);
      return found ? `tool: ${Math.round(found.score * 100)} %` : "not suggested by the tool";
    };
    const findingOf = (finding) =>
      el(
        "div",
        { class: `ca-verdict-box ca-stands-${finding.stands}` },
        el(
          "p",
          {},
          el("b", {}, finding.stands === "overturn" ? "✗ Overturned" : "✓ Agreed"),
          finding.error && ` · ${finding.error.replaceAll("_", " ")}`,
          finding.correct && [" · right: ", el("b", {}, finding.correct.code)],
          finding.state === "final" && " · final",
        ),
        said(finding.by, finding.reason),
        said(finding.rebutted_by || "coder", finding.rebuttal),
        said(finding.final_by || "auditor", finding.final_reason),
        can("coder", "lead") && item.state === "audited" && finding.verdict === "overturn" && finding.state === "open" &&
          el("button", { type: "button", onclick: () => say(`Rebut the overturn of ${finding.code}`, "Why the code stands", (text) => post(`${base}/findings/${finding.number}/rebut`, { text })) }, "Rebut"),
        can("auditor") && item.state === "audited" && finding.state === "rebutted" &&
          el("span", { class: "ca-choice-row" }, [["agree", "The coder is right"], ["overturn", "It stays overturned"]].map(([verdict, label]) =>
            el("button", { type: "button", onclick: () => say(label, "The last word, with its reason", (reason) => post(`${base}/findings/${finding.number}/final`, { verdict, reason })) }, label),
          )),
      );
    const codeRow = (code) => {
      const mine = item.findings.filter((finding) => same(finding, code));
      return el(
        "li",
        { class: "ca-audit-row" },
        el("p", {}, el("button", { type: "button", class: "ca-code-link", title: "Show its evidence", onclick: () => desk.showCode(code) }, el("b", {}, code.code)), " ", el("span", {}, code.title), " ", el("small", {}, toolWords(code))),
        mine.map(findingOf),
        open && can("auditor") && !mine.length &&
          el(
            "span",
            { class: "ca-choice-row" },
            el("button", { type: "button", class: "ca-yes", "aria-label": `Agree with ${code.code}`, onclick: () => act(() => agree(code)) }, "✓ Agree"),
            el("button", { type: "button", class: "ca-no", "aria-label": `Overturn ${code.code}`, onclick: () => overturn(code) }, "✗ Overturn"),
          ),
      );
    };
    if (item.veiled) return fill(side, el("p", { class: "ca-path" }, el("a", { href: `#/audits/${auditId}` }, `Audit ${auditId}`), " / ", id), el("p", { class: "ca-empty" }, "This audit is blinded: an auditor codes the notes first, then the codes are compared here."));
    const submitted = item.submission.codes;
    const missed = item.findings.filter((finding) => !submitted.some((code) => same(code, finding)));
    const passed = run ? run.suggestions.filter((suggestion) => suggestion.selected && !submitted.some((code) => same(code, suggestion))) : [];
    const unsaid = submitted.filter((code) => !item.findings.some((finding) => same(finding, code)));
    const looked = submitted.length - unsaid.length;
    fill(
      side,
      el("p", { class: "ca-path" }, el("a", { href: `#/audits/${auditId}` }, `Audit ${auditId}`), " / ", id),
      el("h2", {}, `Submitted by ${item.submission.by}`),
      el("p", { class: "ca-empty" }, item.state === "audited" ? "Read by the auditor. The coder may rebut an overturned code until it is returned or accepted." : item.finished_at ? `Finished ${moment(item.finished_at)}: ${(item.outcome || item.state).replaceAll("_", " ")}.` : `${looked} of ${submitted.length} codes looked at.`),
      item.second && comparison(item),
      el("ul", { class: "ca-rows" }, submitted.map(codeRow)),
      missed.length > 0 && [el("h3", {}, "Missed by the coder"), el("ul", { class: "ca-rows" }, missed.map((finding) => el("li", { class: "ca-audit-row" }, el("p", {}, el("b", {}, finding.code)), findingOf(finding))))],
      passed.length > 0 && [el("h3", {}, "Preselected by the tool, not submitted"), el("ul", { class: "ca-rows" }, passed.map((suggestion) => el("li", { class: "ca-audit-row" }, el("p", {}, el("b", {}, suggestion.code), " ", suggestion.title, " ", el("small", {}, toolWords(suggestion))))))],
      item.state === "audited" && can("auditor") &&
        el(
          "div",
          { class: "ca-actions" },
          el("button", { type: "button", class: "ca-primary", disabled: rebutted, onclick: () => act(() => post(`${base}/finish`, {})) }, "Close this encounter"),
          rebutted ? el("span", { class: "ca-empty" }, "A rebuttal waits for its last word.") : null,
        ),
      open && can("auditor") &&
        el(
          "div",
          { class: "ca-actions" },
          el("button", { type: "button", class: "ca-primary", onclick: () => act(() => post(`${base}/finish`, {})) }, "Finish"),
          el("button", { type: "button", onclick: () => overturn(null) }, "A code was missed"),
          unsaid.length > 1 && el("button", { type: "button", onclick: () => act(async () => { for (const code of unsaid) await agree(code); }) }, `Agree with the other ${unsaid.length}`),
        ),
    );
    return null;
  };
  await draw().catch((problem) => fill(side, el("p", { class: "ca-problem" }, problem.message)));
}

/** The desk of an auditor who codes the notes alone; when that is submitted, both codings are shown. */
async function codeBlind(auditId, id) {
  const root = el("div");
  const main = frame(`Audit of ${id}`, el("div", { class: "ca-area" }, root));
  main.classList.add("ca-fill");
  const { encounter } = await adapterOf(id).load();
  const { adapter } = scratchpad(encounter, (codes) => post(`/v1/audits/${auditId}/encounters/${encodeURIComponent(id)}/second`, { codes }));
  desk = createDesk(root, adapter, {
    practice: true,
    hint: "This audit is blinded: code the notes on your own. The coder's codes and the tool's come when you submit; yours cannot be changed then.",
    submitLabel: "Submit and compare",
    ...keySettings(),
  });
  root.addEventListener("desk:submitted", route);
}

/** The coder's codes and the second reader's, side by side. */
function comparison(item) {
  const key = (code) => `${code.system}:${code.code}`;
  const [theirs, mine] = [item.submission.codes, item.second.codes];
  const [submitted, second] = [new Set(theirs.map(key)), new Set(mine.map(key))];
  const all = [...theirs, ...mine.filter((code) => !submitted.has(key(code)))];
  const both = all.filter((code) => submitted.has(key(code)) && second.has(key(code))).length;
  const said = (given) => el("span", { class: "ca-outcome" }, given ? "✓" : "–");
  return el(
    "section",
    { class: "ca-comparison", "aria-label": "Both codings" },
    el("h3", {}, `Coded blind by ${item.second.by}: ${both} of ${all.length} codes agree`),
    table(["Code", "Title", "Coder", "Blind"], all.map((code) => [el("b", {}, code.code), code.title, said(submitted.has(key(code))), said(second.has(key(code)))]), { empty: "Neither gave a code." }),
  );
}

// ---- practice ------------------------------------------------------------------------------------------------

async function practiceList() {
  const main = frame("Practice", el("h1", {}, "Practice"), el("p", { class: "ca-lead" }, "Code a note on your own, without suggestions; then see its author's codes, yours and the tool's side by side, with the reasons. Nothing of it is kept."));
  const { cases } = await get("/v1/practice");
  const box = el("div");
  const draw = (wanted) => {
    const found = cases.filter((item) => [item.title, item.id, item.setting, item.specialty].join(" ").toLowerCase().includes(wanted.trim().toLowerCase()));
    fill(box, table(["Note", "Setting", "Specialty"], found.map((item) => [el("a", { href: `#/practice/${encodeURIComponent(item.id)}` }, item.title || item.id), words(item.setting), item.specialty]), { empty: "No note matches." }));
  };
  main.append(el("input", { type: "search", class: "ca-find", "aria-label": "Find a note by title, setting or specialty", placeholder: `Find among ${cases.length} notes: title, setting or specialty`, oninput: (event) => draw(event.target.value) }), box);
  draw("");
}

/** An adapter for coding notes on one's own: what has been coded lives in this page until it is submitted. */
function scratchpad(encounter, submit) {
  const acts = [[]];
  const now = () => acts[acts.length - 1];
  const outcome = (version) => ({ decisions: [], codes: now().map((code, place) => ({ modifiers: [], units: 1, ...code, sequence: place + 1 })), findings: [], version });
  const without = (codes, gone) => codes.filter((code) => code.code !== gone.code || code.system !== gone.system);
  const entry = (system, code) => get(`/v1/codes/${encodeURIComponent(system)}/${encodeURIComponent(code)}`);
  const textOf = (id) => encounter.notes.find((note) => note.id === id).text;
  const adapter = {
    load: async () => ({ encounter: { ...encounter, state: "in_review" }, run: null, decisions: [], codes: [], findings: [], hold: null, flags: {}, version: 1 }),
    search,
    entry,
    phrase: async (place) => search([...textOf(place.note_id)].slice(place.start, place.end).join("").trim()),
    decide: async (decisions, version) => {
      let codes = now();
      for (const decision of decisions) {
        const { title } = decision.verdict === "reject" ? { title: "" } : await entry(decision.system, decision.code);
        codes = without(codes, decision.replaces || decision);
        if (decision.verdict !== "reject") codes = [...codes, { system: decision.system, code: decision.code, title, modifiers: decision.modifiers || [], units: decision.units || 1 }];
      }
      acts.push(codes);
      return outcome(version);
    },
    undo: async (version) => {
      if (acts.length > 1) acts.pop();
      return outcome(version);
    },
    order: async (order, version) => {
      acts.push(order.map((wanted) => now().find((code) => code.system === wanted.system && code.code === wanted.code)).filter(Boolean));
      return outcome(version);
    },
    submit: () => submit(now().map(({ system, code }) => ({ system, code }))),
  };
  return { adapter, now };
}

async function practice(id) {
  const root = el("div");
  const area = el("div", { class: "ca-area" }, root);
  const main = frame("Practice", area);
  main.classList.add("ca-fill");
  const item = await get(`/v1/practice/${encodeURIComponent(id)}`);
  const { adapter, now } = scratchpad(
    { ...item, service_date: null, notes: [{ id: item.id, version: 1, title: item.title, text: item.text, sections: [] }] },
    (codes) => post(`/v1/practice/${encodeURIComponent(id)}`, { codes }),
  );
  desk = createDesk(root, adapter, { practice: true, submitLabel: "Compare", ...keySettings() });
  root.addEventListener("desk:submitted", (event) => compared(item, event.detail.answer, new Map(now().map((code) => [`${code.system}:${code.code}`, code.title]))));
}

function compared(item, answer, titlesOf) {
  const main = frame("Practice", el("p", { class: "ca-path" }, el("a", { href: "#/practice" }, "Practice")), el("h1", {}, item.title || item.id));
  const { score } = answer;
  const share = (value) => (value === null ? "–" : `${Math.round(value * 100)} %`);
  const key = (code) => `${code.system}:${code.code}`;
  const by = (list) => new Map(list.map((code) => [key(code), code]));
  const [gold, mine, tool] = [by(answer.gold), by(answer.mine), by(answer.suggestions)];
  const keys = [...new Set([...gold.keys(), ...mine.keys(), ...answer.suggestions.filter((s) => s.selected).map(key)])];
  const outcome = (name) => {
    const [wanted, given] = [gold.get(name), mine.has(name)];
    if (wanted && given) return ["right", "✓ right"];
    if (given) return ["wrong", "✗ not the author's"];
    if (wanted) return wanted.required ? ["missed", "▲ missed"] : ["may", "○ optional"];
    return ["tool", "the tool alone"];
  };
  const order = { right: 0, missed: 1, wrong: 2, may: 3, tool: 4 };
  keys.sort((one, other) => order[outcome(one)[0]] - order[outcome(other)[0]]);
  main.append(
    tiles([[score.right, "right"], [score.missed, "missed"], [score.wrong, "not the author's"], [share(score.precision), "precision"], [share(score.recall), "recall"]]),
    table(
      ["Outcome", "Code", "Title", "Author", "You", "Tool", "The tool's reasons"],
      keys.map((name) => {
        const found = tool.get(name);
        const [kind, said] = outcome(name);
        const wanted = gold.get(name);
        return [
          el("span", { class: `ca-outcome ca-outcome-${kind}` }, said),
          el("b", {}, name.split(":")[1]),
          (wanted && wanted.title) || (found && found.title) || titlesOf.get(name) || "",
          el("span", { class: "ca-outcome" }, wanted ? (wanted.required ? "✓ required" : "✓ optional") : "–"),
          mine.has(name) ? "✓" : "–",
          el("span", { class: "ca-outcome" }, found ? `${found.selected ? "✓ " : ""}${Math.round(found.score * 100)} %` : "–"),
          found ? el("small", {}, found.reasons.join("; ")) : "",
        ];
      }),
    ),
    el("p", {}, el("a", { href: "#/practice" }, "Another note")),
  );
}

// ---- people --------------------------------------------------------------------------------------------------

async function people() {
  const main = frame("People", el("h1", {}, "People"));
  const { users } = await get("/v1/users");
  const change = async (user, what) => {
    try {
      await ask("PATCH", `/v1/users/${encodeURIComponent(user.id)}`, what);
      await people();
    } catch (problem) {
      note(problem.message);
    }
  };
  main.append(
    table(
      ["Name", "Role", "May sign in", "Signs in by", "Since", ...(can("admin") ? ["Change"] : [])],
      users.map((user) => [
        user.name,
        words(user.role),
        user.active ? "✓ yes" : "✗ no",
        [user.has_password && "password", user.oidc && "provider"].filter(Boolean).join(", ") || "link",
        moment(user.created_at),
        ...(can("admin") ? [el("button", { type: "button", disabled: user.id === session.user.id, "aria-label": `${user.active ? "Shut out" : "Let in"} ${user.name}`, onclick: () => change(user, { active: !user.active }) }, user.active ? "Shut out" : "Let in")] : []),
      ]),
    ),
  );
  if (!can("admin")) return;
  const name = el("input", { required: true, maxlength: "100", autocomplete: "off" });
  const role = el("select", {}, ["coder", "lead", "auditor", "data_scientist", "admin"].map((value) => el("option", { value }, words(value))));
  const password = el("input", { type: "password", autocomplete: "new-password" });
  main.append(
    el("h2", {}, "Add a person"),
    el(
      "form",
      {
        class: "ca-form",
        onsubmit: async (event) => {
          event.preventDefault();
          try {
            await post("/v1/users", { name: name.value, role: role.value, password: password.value || null });
            await people();
          } catch (problem) {
            note(problem.message);
          }
        },
      },
      el("label", {}, "Name", name),
      el("label", {}, "Role", role),
      el("label", {}, "Password", password),
      el("button", { type: "submit", class: "ca-primary" }, "Add"),
    ),
  );
}

// ---- where to go ---------------------------------------------------------------------------------------------

let lastHash = null;
async function route() {
  if (!session) return signIn();
  lastHash = location.hash;
  clearNotes();
  const [view, ...rest] = location.hash.replace(/^#\//, "").split("/").map(decodeURIComponent);
  document.querySelectorAll("dialog[open]").forEach((open) => open.remove());
  try {
    if (view === "encounter") await encounterView(rest[0]);
    else if (view === "overview") await overview();
    else if (view === "audits") await (rest.length > 1 ? auditEncounter(rest[0], rest[1]) : rest.length ? auditView(rest[0]) : audits());
    else if (view === "practice") await (rest.length ? practice(rest[0]) : practiceList());
    else if (view === "people") await people();
    else if (can("admin")) await people();
    else await encounterView(null);
  } catch (problem) {
    if (problem.kind !== "signed-out") note(problem.message);
  }
  return null;
}

async function begin() {
  try {
    session = await get("/v1/session");
  } catch (problem) {
    session = null;
    if (problem.kind === "offline") {
      fill(app, el("main", { class: "ca-main ca-centre" }, el("p", { class: "ca-problem", role: "alert" }, problem.message, " ", el("button", { type: "button", onclick: begin }, "Try again"))));
      return;
    }
  }
  if (session) {
    // What was left unsaved at the end of a session is its person's own: nobody else sends it.
    leaving = leaving.filter((left) => left.person === session.user.id);
    for (const left of leaving) left.desk.resume();
  }
  await route();
}

/**
 * A page that nobody touches for as long as a quiet session lasts is cleared, for a patient's notes are on it;
 * the service has ended the session by then. Who only reads keeps it by a question now and then. Several pages
 * of one browser share the session, and so when somebody last did something.
 */
async function watch() {
  if (!session) return;
  const last = Math.max(touched, Number(localStorage.getItem("ca-touched")));
  const idle = session.idle_minutes * 60_000;
  if (Date.now() - last >= idle) {
    lastPerson = session.user.id;
    session = null;
    await route();
  } else if (last > asked && Date.now() - asked > idle / 3) await get("/v1/session").catch(() => {});
}

function touch() {
  if (Date.now() - touched > 5_000) localStorage.setItem("ca-touched", String(Date.now()));
  touched = Date.now();
}

for (const name of ["keydown", "pointerdown", "pointermove", "wheel"]) {
  window.addEventListener(name, touch, { capture: true, passive: true });
}
setInterval(watch, 15_000);

window.addEventListener("beforeunload", (event) => {
  if ((desk && desk.unsaved) || leaving.some((left) => left.desk.unsaved)) event.preventDefault();
});

const savedTheme = localStorage.getItem("ca-theme");
if (savedTheme) document.documentElement.dataset.theme = savedTheme;
window.addEventListener("hashchange", route);
begin();
