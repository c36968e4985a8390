/*
 * The coder's desk: the notes of one encounter beside its codes, one keystroke a decision.
 *
 * `createDesk(root, adapter, options)` draws into `root` and asks `adapter` for everything; it knows no
 * network, so that the page and the notebook widget share it. Text of notes enters the page through text
 * nodes alone. The service counts code points, a browser UTF-16 units: `Offsets` converts, once, here.
 *
 * The adapter, every method a promise (those with a ? may be missing; what they serve is then not shown):
 *   load()                                  -> desk (encounter, run, decisions, codes, findings, hold, flags, version)
 *   decide(decisions, version, key)         -> {decisions, codes, findings, version}
 *   undo(version, key), order(codes, version, key)  -> the same
 *   search(words, system)                   -> [{system, code, title, billable}]
 *   entry?(system, code)                    -> {title}
 *   phrase({note_id, start, end})           -> [suggestion]
 *   hold(query, version), release(answer, version), submit(version), reopen?()
 *   claim?() -> what the claim tab shows; history?() -> [event]; comment?(text)
 * A rejected promise carries `kind`: "offline" (tried again with the same key), "signed-out" (kept until
 * `resume()`), "conflict" (with `changed`), "state" (the encounter's state forbids it), "blocked" (with
 * `findings`), or anything else, which is shown.
 *
 * Options: scope "document" | "root" (where shortcuts are heard), practice, hint (said in place of practice's own words),
 * readonly, submitLabel, keys,
 * shortcuts, saveKeys(keys, shortcuts), tools (elements for the banner).
 *
 * The desk that comes back: `reload()` shows what others changed meanwhile and keeps the place, once `state` is
 * there; `drained(wait)` -> whether all decisions are saved; `resume()` after signing in; `destroy()`.
 */

export const DEFAULT_KEYS = {
  next: ["j", "ArrowDown"],
  previous: ["k", "ArrowUp"],
  accept: ["a"],
  reject: ["r"],
  evidence: ["e"],
  fix: ["f"],
  change: ["c"],
  search: ["/"],
  add: ["n"],
  undo: ["u"],
  bulk: ["b"],
  edit: ["m"],
  first: ["p"],
  hold: ["h"],
  submit: ["s"],
  help: ["?"],
};

const COMMANDS = {
  next: "next code",
  previous: "previous code",
  accept: "accept",
  reject: "reject (a digit for the reason may follow)",
  evidence: "next evidence in the note",
  fix: "apply the fix of a finding on this code",
  change: "replace by another code",
  search: "search a code and add it",
  add: "codes for the selected words",
  undo: "undo my last decision",
  bulk: "accept all above a probability",
  edit: "modifiers and units",
  first: "make first-listed",
  hold: "hold with a query, or release",
  submit: "submit",
  help: "keys and settings",
};
const GROUPS = [
  ["Move", ["next", "previous", "evidence"]],
  ["Decide", ["accept", "reject", "change", "fix", "bulk", "undo"]],
  ["Add and order", ["search", "add", "edit", "first"]],
  ["Encounter", ["hold", "submit", "help"]],
];

export const REASONS = [
  ["not_supported", "not supported by the note"],
  ["wrong_code", "wrong code"],
  ["not_reportable", "not reportable here"],
  ["integral", "integral to another code"],
  ["duplicate", "said by another code"],
  ["other", "other"],
];

const SYSTEMS = ["ICD-10-CM", "ICD-10-PCS", "CPT", "HCPCS"];
const ADMISSION = [["", "not said"], ["Y", "Y: yes"], ["N", "N: no"], ["U", "U: not documented"], ["W", "W: clinically undetermined"], ["1", "1: exempt"]];
const SEVERITIES = ["error", "warning", "query", "information"];
const SIGNS = { error: "✖", warning: "▲", query: "?", information: "i" };
const MARKS = { accept: ["✓", "accepted"], add: ["✓", "added"], reject: ["✗", "rejected"], replace: ["⇄", "replaced"], defer: ["…", "deferred"] };
const EVENTS = { "encounter.import": "imported", "run.done": "computed suggestions", "run.failed": "could not compute suggestions", "encounter.claim": "took it", "encounter.assign": "assigned it", hold: "put it on hold", release: "released it", submit: "submitted it", reopen: "reopened it", order: "changed the order of codes", "audit.create": "drew it for an audit", "audit.second": "coded it blind", "audit.finding": "audited a code", "audit.rebut": "rebutted a finding", "audit.final": "gave a final verdict", "audit.finish": "finished the audit", "note.version": "added a new version of a note" };
const LIKELY = 0.2;
const FIRST_ALTERNATIVES = 4;
const REASON_WAIT = 1600;
const RETRY_AFTER = 2500;
const EDITABLE = ["new", "in_review", "returned"];

const present = (children) => children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== 0 && child !== "");
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const spoken = (word) => String(word).replaceAll("_", " ");
const keyName = (key) => ({ ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", " ": "Space" })[key] || key;
const reasonWords = (reason) => (REASONS.find(([name]) => name === reason) || [reason, reason])[1];

/** A section's title in the outline: not in capitals, unless it is an abbreviation. */
function outlined(title) {
  const plain = title.trim().replace(/:$/, "").slice(0, 40);
  const quiet = plain.replace(/[A-Z]{4,}|\b(?:OF|AND|THE|IN|FOR|TO|BY|AT|ON|OR)\b/g, (word) => word.toLowerCase());
  return quiet.charAt(0).toUpperCase() + quiet.slice(1);
}

/** Replace what an element holds; children that are null, false or empty are left out. */
export function fill(element, ...children) {
  element.replaceChildren(...present(children));
  return element;
}

/** Make an element: tag, properties (`class`, `dataset`, attributes, `on...`), children (strings become text). */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...present(children));
  return element;
}

/** Converts between code points (the service) and UTF-16 units (the page) for one text. */
export class Offsets {
  constructor(text) {
    this.plain = !/[\ud800-\udfff]/.test(text);
    if (this.plain) return;
    this.units = [];
    let unit = 0;
    for (const character of text) {
      this.units.push(unit);
      unit += character.length;
    }
    this.units.push(unit);
  }
  unit(point) {
    return this.plain ? point : this.units[Math.min(point, this.units.length - 1)];
  }
  point(unit) {
    if (this.plain) return unit;
    let low = 0;
    let high = this.units.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.units[middle] < unit) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Bring an element into view inside its own pane, and move nothing else. */
function reveal(pane, element, { margin = 8, centre = false } = {}) {
  const outer = pane.getBoundingClientRect();
  const inner = element.getBoundingClientRect();
  const above = inner.top - outer.top - margin;
  const below = inner.bottom - outer.bottom + margin;
  if (above >= 0 && below <= 0) return;
  if (centre) pane.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 3;
  else pane.scrollTop += above < 0 || inner.height + 2 * margin > outer.height ? above : below;
}

const bySeverity = (findings) => [...findings].sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
const moves = ({ remove, add }) => remove.length > 0 && remove.map(keyOf).join() === add.map(keyOf).join();
const nameOf = (finding) => `${finding.rule} ${finding.codes.map(keyOf).join(" ")}`;
export const keyOf = (code) => `${code.system}:${code.code}`;
const percent = (score) => `${Math.round(score * 100)} %`;
const newKey = () => (crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random().toString(36).slice(2)}`);

/** A modal dialog; `build(close)` gives its content. Resolves with what `close` was given; Escape closes it
 * with undefined, unless an answer `must` be given. */
export function dialog(root, title, build, { wide = false, must = false } = {}) {
  return new Promise((resolve) => {
    const before = root.ownerDocument.activeElement;
    const name = newKey();
    const box = el("dialog", { class: `ca-dialog${wide ? " ca-wide" : ""}`, "aria-labelledby": name });
    const close = (value) => {
      if (!box.isConnected) return;
      box.close();
      box.remove();
      if (before && before.isConnected) before.focus({ preventScroll: true });
      resolve(value);
    };
    box.append(el("h2", { id: name }, title), build(close));
    box.addEventListener("cancel", (event) => {
      event.preventDefault();
      if (!must) close(undefined);
    });
    box.addEventListener("keydown", (event) => event.stopPropagation());
    box.addEventListener("submit", (event) => event.preventDefault());
    root.append(box);
    box.showModal();
    const wanted = box.querySelector("[autofocus]");
    if (wanted) wanted.focus();
  });
}

/** Buttons of a dialog: the first is the one that Enter means. */
function actions(close, label, other = "Cancel") {
  return el(
    "div",
    { class: "ca-actions" },
    el("button", { type: "submit", class: "ca-primary", autofocus: true }, label),
    el("button", { type: "button", onclick: () => close(undefined) }, other),
  );
}

let desks = 0;

export function createDesk(root, adapter, options = {}) {
  const desk = new Desk(root, adapter, options);
  desk.start();
  return desk;
}

class Desk {
  constructor(root, adapter, options) {
    this.root = root;
    this.adapter = adapter;
    this.options = { scope: "document", practice: false, readonly: false, ...options };
    this.keys = { ...DEFAULT_KEYS, ...(options.keys || {}) };
    this.shortcuts = options.shortcuts !== false;
    this.name = `ca-${(desks += 1)}`;
    this.titles = new Map();
    this.lit = [];
    this.assignedRows = new Map();
    this.drains = [];
    this.decided = new Map(); // suggestion index -> {verdict, code, replaces}
    this.waiting = []; // requests that have not been answered, oldest first
    this.sending = false;
    this.current = 0;
    this.evidenceAt = -1;
    this.shownUntil = 0;
    this.findingAt = 0;
    this.listed = []; // the findings in the order of their list
    this.spoken = {}; // which assigned code says which finding
    this.unfolded = null; // the suggestion all of whose alternatives are shown
    this.pendingReject = null;
    this.strokes = 0;
    this.decisions = 0;
    this.tab = "codes";
    this.shownAt = new Date().toISOString();
    this.undecidedBefore = 0;
    this.listeners = [];
  }

  // ---- life ----------------------------------------------------------------------------------------------

  async start() {
    this.root.classList.add("ca-desk");
    this.root.replaceChildren(el("p", { class: "ca-loading", role: "status" }, "Opening the encounter …"));
    const target = this.options.scope === "document" ? this.root.ownerDocument : this.root;
    this.listen(target, "keydown", (event) => this.onKey(event));
    this.listen(window, "online", () => this.send());
    this.listen(this.root.ownerDocument, "selectionchange", () => this.offerSelection());
    try {
      this.take(await this.adapter.load());
    } catch (problem) {
      this.root.replaceChildren(el("p", { class: "ca-problem", role: "alert" }, problem.message || String(problem)));
      return;
    }
    if (this.gone) return;
    this.draw();
    this.undecidedBefore = this.counts().undecided;
    this.focusRow(this.firstUndecided());
    if (this.editable && this.shortcuts && !matchMedia("(pointer: coarse)").matches) {
      const key = (name) => el("kbd", {}, keyName(this.keys[name][0]));
      const hints = [[key("accept"), "accept"], [key("reject"), "reject"], [el("kbd", {}, "1–9"), "alternative"], [[key("next"), key("previous")], "move"], [key("search"), "search"], [key("undo"), "undo"], [key("help"), "all keys"]];
      fill(this.status, hints.map(([keys, what]) => el("span", { class: "ca-hinted" }, keys, what)));
    }
    this.emit("ready");
  }

  /** Take the desk off the page. What is not saved yet is still sent: see `drained`. */
  destroy() {
    this.flushReject();
    this.gone = true;
    for (const [target, name, listener] of this.listeners) target.removeEventListener(name, listener);
    if (this.waiting.length) window.addEventListener("online", () => this.send());
    this.root.replaceChildren();
  }

  /** Whether everything is saved, waiting for it at most so many milliseconds. */
  drained(wait = 4000) {
    this.flushReject();
    if (!this.waiting.length) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), wait);
      this.drains.push(() => {
        clearTimeout(timer);
        resolve(this.waiting.length === 0);
      });
    });
  }

  /** Go on sending after its person has signed in again. */
  resume() {
    this.send();
  }

  listen(target, name, listener) {
    target.addEventListener(name, listener);
    this.listeners.push([target, name, listener]);
  }

  emit(name, detail = {}) {
    this.root.dispatchEvent(new CustomEvent(`desk:${name}`, { detail, bubbles: true }));
  }

  /** Take a desk as the service gives it. */
  take(state) {
    this.state = state;
    this.suggestions = this.options.practice ? [] : state.run ? state.run.suggestions : [];
    this.offsets = new Map(state.encounter.notes.map((note) => [note.id, new Offsets(note.text)]));
    this.settle();
  }

  /** Work out, from the decisions, which suggestions are decided and how. */
  settle() {
    this.decided.clear();
    for (const decision of this.state.decisions) {
      if (decision.undone || decision.undoes || decision.suggestion === null || decision.suggestion === undefined) continue;
      if (decision.run && this.state.run && decision.run !== this.state.run.id) continue;
      if (decision.verdict === "defer") this.decided.delete(decision.suggestion);
      else this.decided.set(decision.suggestion, decision);
    }
  }

  get editable() {
    return !this.options.readonly && EDITABLE.includes(this.state.encounter.state);
  }

  noteOf(evidence) {
    return evidence.note_id || this.state.encounter.notes[0].id;
  }

  // ---- drawing -------------------------------------------------------------------------------------------

  draw() {
    this.status = el("p", { class: "ca-status", role: "status", "aria-live": "polite" });
    this.banner = el("header", { class: "ca-banner" });
    this.notes = el("div", { class: "ca-notes-text", role: "group", "aria-label": "Text of the notes", tabindex: "0" });
    this.chip = el("div", { class: "ca-selection", hidden: true });
    this.outline = el("div", { class: "ca-outlines" });
    this.notesPane = el("section", { class: "ca-notes", "aria-label": "Notes" }, this.outline, this.notes, this.chip);
    this.notes.addEventListener("scroll", () => this.followScroll(), { passive: true });
    this.codesPane = el("section", { class: "ca-codes", "aria-label": "Codes" });
    this.alert = el("div", { class: "ca-alert", role: "alert", hidden: true });
    this.thumb = el("div", { class: "ca-thumb", role: "group", "aria-label": "The current code" });
    fill(this.root, this.banner, this.alert, el("div", { class: "ca-panes" }, this.notesPane, this.codesPane), this.status, this.thumb);
    this.drawBanner();
    this.drawNotes();
    this.drawCodes();
  }

  keyHint(name) {
    return this.shortcuts && this.keys[name].length ? el("kbd", { "aria-hidden": "true" }, keyName(this.keys[name][0])) : null;
  }

  drawBanner() {
    const encounter = this.state.encounter;
    const facts = [
      encounter.setting,
      encounter.claim && `${encounter.claim} claim`,
      encounter.sex && encounter.sex !== "unknown" && encounter.sex,
      encounter.age !== null && encounter.age !== undefined && `${encounter.age} years`,
      encounter.service_date,
      encounter.specialty,
      encounter.assigned_to && `with ${encounter.assigned_to}`,
    ];
    this.bar = el("progress", { class: "ca-bar", max: "1", value: "0", "aria-label": "Preselected codes decided" });
    this.progress = el("span", { class: "ca-progress" });
    const button = (name, label, style = "") => el("button", { type: "button", class: style, onclick: () => this.run(name) }, label, this.keyHint(name));
    const held = encounter.state === "on_hold" && this.state.hold;
    const mayHold = !this.options.practice && !this.options.readonly && (held || this.editable);
    fill(
      this.banner,
      el(
        "div",
        { class: "ca-headline" },
        el("h1", {}, encounter.title || encounter.id),
        !this.options.practice && el("span", { class: `ca-state ca-state-${encounter.state}` }, spoken(encounter.state)),
        el("ul", { class: "ca-facts" }, present(facts).map((fact) => el("li", {}, String(fact)))),
      ),
      el(
        "div",
        { class: "ca-controls" },
        el("span", { class: "ca-advance" }, !this.options.practice && this.bar, this.progress),
        el(
          "div",
          { class: "ca-tools", role: "group", "aria-label": "What to do" },
          this.options.tools,
          this.editable && this.suggestions.length && button("bulk", "Accept above…"),
          this.editable && button("search", "Search"),
          this.editable && button("undo", "Undo"),
          button("help", "Keys"),
          mayHold && button("hold", held ? "Release" : "Hold"),
          !this.options.readonly && ["submitted", "returned"].includes(encounter.state) && this.adapter.reopen
            ? el("button", { type: "button", onclick: () => this.reopen() }, encounter.state === "returned" ? "Take up again" : "Reopen")
            : null,
          this.editable && button("submit", this.options.submitLabel || "Submit", "ca-primary"),
        ),
      ),
      !held && this.state.hold && this.state.hold.answer
        ? el("p", { class: "ca-held" }, el("span", { class: "ca-sign", "aria-hidden": "true" }, "✓"), el("span", {}, el("b", {}, "The provider answered. "), this.state.hold.answer))
        : null,
      held && el("p", { class: "ca-held" }, el("span", { class: "ca-sign ca-query", "aria-hidden": "true" }, "?"), el("span", {}, el("b", {}, "On hold. "), this.state.hold.query)),
    );
    this.drawProgress();
    // Where the page is narrow the choices of the current code stand at its foot, under the thumb.
    const touch = (name, label, style) => el("button", { type: "button", class: style, onclick: () => this.run(name) }, label);
    fill(this.thumb, this.editable && this.suggestions.length > 0 && [touch("undo", "Undo", ""), touch("previous", "↑ Back", ""), touch("next", "↓ Skip", ""), touch("reject", "✗ Reject", "ca-no"), touch("accept", "✓ Accept", "ca-yes")]);
  }

  drawProgress() {
    const wanted = this.suggestions.filter((s) => s.selected).length;
    const done = this.suggestions.filter((s, index) => s.selected && this.decided.has(index)).length;
    this.bar.value = wanted ? done / wanted : 1;
    fill(
      this.progress,
      this.options.practice ? null : [el("b", {}, `${done} of ${wanted}`), " decided · "],
      el("b", {}, String(this.state.codes.length)),
      this.options.practice ? " coded" : " assigned",
    );
  }

  /** The notes, each text cut at the borders of evidence, so that marks can be lit, and their outline. */
  drawNotes() {
    const { notes } = this.state.encounter;
    this.lit = [];
    this.marks = new Map(); // suggestion index -> its places, each the elements it is cut into
    this.articles = notes.map((note) => {
      const text = el("div", { class: "ca-text", dataset: { note: note.id } });
      this.cut(note, text);
      const title = notes.length > 1 && el("h2", {}, note.title || note.id);
      return el("article", { class: "ca-note", "aria-label": note.title || `Note ${note.id}` }, title, text);
    });
    fill(this.notes, this.articles);
    this.suggestions.forEach((_, index) => this.tint(index));
    this.drawOutline();
  }

  /** The outline: the notes, where there are several, and the sections of the one that is being read. */
  drawOutline() {
    const { notes } = this.state.encounter;
    const sectionsOf = (note) => (note.sections || []).filter((section) => section.title.trim());
    this.chapters = notes.map((note, place) => {
      const buttons = sectionsOf(note).map((section) =>
        el("button", { type: "button", onclick: () => this.showPlace(note.id, section.start) }, outlined(section.title)),
      );
      return {
        article: this.articles[place],
        tab: el("button", { type: "button", onclick: () => this.showPlace(note.id, 0) }, note.title || note.id),
        places: sectionsOf(note).map((section) => this.pieceAt(note.id, section.start)),
        buttons,
        nav: buttons.length > 1 ? el("nav", { class: "ca-outline", "aria-label": "Sections" }, buttons) : null,
      };
    });
    const several = notes.length > 1 && el("nav", { class: "ca-outline ca-note-list", "aria-label": "Notes of the encounter" }, this.chapters.map(({ tab }) => tab));
    fill(this.outline, several, this.chapters.map(({ nav }) => nav));
    this.outlineAt = null;
    this.followScroll();
  }

  /** Show in the outline which note and which section stands at the top, while the text is scrolled by hand. */
  followScroll() {
    if (this.following) return;
    this.following = requestAnimationFrame(() => {
      this.following = null;
      if (this.gone || !this.notes.isConnected || performance.now() < this.shownUntil) return;
      const line = this.notes.getBoundingClientRect().top + 60;
      const above = (elements) => elements.findLastIndex((element) => element && element.getBoundingClientRect().top <= line);
      const note = Math.max(0, above(this.chapters.map(({ article }) => article)));
      this.markOutline(note, above(this.chapters[note].places));
    });
  }

  /** Show in the outline where a piece of a text belongs that has just been brought into view. */
  outlineOf(piece) {
    const note = this.articles.findIndex((article) => article.contains(piece));
    const at = Number(piece.dataset.at);
    this.shownUntil = performance.now() + 300; // the scrolling that this makes says nothing of its own
    this.markOutline(note, this.chapters[note].places.findLastIndex((place) => place && Number(place.dataset.at) <= at));
  }

  markOutline(note, section) {
    if (this.outlineAt === `${note} ${section}`) return;
    this.outlineAt = `${note} ${section}`;
    const chapter = this.chapters[note];
    for (const other of this.chapters) if (other.nav) other.nav.hidden = other !== chapter;
    const mark = (buttons, at) => buttons.forEach((button, place) => (place === at ? button.setAttribute("aria-current", "true") : button.removeAttribute("aria-current")));
    mark(this.chapters.map(({ tab }) => tab), note);
    mark(chapter.buttons, section);
    for (const button of [chapter.tab, chapter.buttons[section]]) {
      const row = button && button.parentElement;
      if (row) row.scrollLeft = button.offsetLeft - row.clientWidth / 3;
    }
  }

  cut(note, into) {
    const offsets = this.offsets.get(note.id);
    const spans = [];
    this.suggestions.forEach((suggestion, index) => {
      for (const evidence of suggestion.evidence) {
        if (this.noteOf(evidence) !== note.id) continue;
        const pieces = [];
        if (!this.marks.has(index)) this.marks.set(index, []);
        this.marks.get(index).push(pieces);
        spans.push([offsets.unit(evidence.start), offsets.unit(evidence.end), index, pieces]);
      }
    });
    const headings = (note.sections || [])
      .map((section) => [offsets.unit(section.start), offsets.unit(section.start) + section.title.length])
      .filter(([start, end], place) => note.text.slice(start, end) === note.sections[place].title);
    const titles = new Map(headings.filter(([start, end]) => end > start));
    const borders = [...new Set([0, note.text.length, ...headings.flat(), ...(note.sections || []).map((section) => offsets.unit(section.start)), ...spans.flatMap(([start, end]) => [start, end])])].sort((a, b) => a - b);
    spans.sort((a, b) => a[0] - b[0]);
    let from = 0;
    let open = [];
    let titled = 0; // where the heading that is being written ends
    for (let place = 0; place < borders.length - 1; place += 1) {
      const [start, end] = [borders[place], borders[place + 1]];
      titled = Math.max(titled, titles.get(start) || 0);
      const heading = end <= titled ? "ca-heading" : null;
      open = open.filter((span) => span[1] > start);
      while (from < spans.length && spans[from][0] <= start) {
        if (spans[from][1] > start) open.push(spans[from]);
        from += 1;
      }
      const piece = note.text.slice(start, end);
      if (!open.length) {
        into.append(el("span", { class: heading, dataset: { at: String(start) } }, piece));
        continue;
      }
      const indexes = [...new Set(open.map((span) => span[2]))];
      const mark = el("mark", { class: heading, dataset: { at: String(start), codes: indexes.join(" ") } }, piece);
      for (const span of open) span[3].push(mark);
      into.append(mark);
    }
    into.addEventListener("click", (event) => {
      const mark = event.target.closest("mark");
      if (!mark || String(window.getSelection())) return;
      const indexes = mark.dataset.codes.split(" ").map(Number);
      const next = indexes[(indexes.indexOf(this.current) + 1) % indexes.length];
      this.focusRow(next);
    });
  }

  /** The element of a note's text that holds a code point. */
  pieceAt(noteId, point) {
    const article = this.articles[this.state.encounter.notes.findIndex((note) => note.id === noteId)];
    const pieces = article.querySelector(".ca-text").children;
    const unit = this.offsets.get(noteId).unit(point);
    let [low, high] = [0, pieces.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (Number(pieces[middle].dataset.at) > unit) high = middle - 1;
      else low = middle;
    }
    return pieces[low] || null;
  }

  showPlace(noteId, point) {
    const found = point === 0 ? this.articles[this.state.encounter.notes.findIndex((note) => note.id === noteId)] : this.pieceAt(noteId, point);
    if (!found) return;
    this.notes.scrollTop += found.getBoundingClientRect().top - this.notes.getBoundingClientRect().top - 12;
    this.outlineOf(this.pieceAt(noteId, point));
  }

  /** Show in the text whether the codes that a mark is evidence of are open, less likely, or decided. */
  tint(index) {
    for (const mark of (this.marks.get(index) || []).flat()) {
      const codes = mark.dataset.codes.split(" ").map(Number);
      const open = codes.some((other) => this.suggestions[other].selected && !this.decided.has(other));
      mark.classList.toggle("ca-open", open);
      mark.classList.toggle("ca-done", !open && codes.some((other) => this.decided.has(other)));
    }
  }

  drawCodes() {
    const tabs = present([
      ["codes", "Codes"],
      !this.options.practice && ["findings", ""],
      this.adapter.claim && ["claim", "Claim"],
      this.adapter.history && ["history", "History"],
    ].filter(Boolean).map(([name, label]) =>
      el(
        "button",
        {
          type: "button",
          role: "tab",
          id: `${this.name}-tab-${name}`,
          dataset: { tab: name },
          "aria-controls": `${this.name}-panel`,
          onclick: () => this.show(name),
        },
        label,
      ),
    ));
    this.tabList = el("div", { class: "ca-tabs", role: "tablist", "aria-label": "What to see" }, tabs);
    this.tabList.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const next = tabs[(tabs.findIndex((tab) => tab.dataset.tab === this.tab) + by + tabs.length) % tabs.length];
      this.show(next.dataset.tab);
      next.focus();
    });
    this.panel = el("div", { class: "ca-panel", id: `${this.name}-panel`, role: "tabpanel" });
    fill(this.codesPane, this.tabList, this.panel);
    this.show(this.tab);
  }

  show(name) {
    this.tab = name;
    for (const tab of this.tabList.children) {
      tab.setAttribute("aria-selected", String(tab.dataset.tab === name));
      tab.tabIndex = tab.dataset.tab === name ? 0 : -1;
    }
    this.panel.setAttribute("aria-labelledby", `${this.name}-tab-${name}`);
    this.panel.scrollTop = 0;
    this.countFindings();
    this.drawPanel();
  }

  countFindings() {
    const tab = this.tabList.querySelector("[data-tab=findings]");
    if (!tab) return;
    const errors = this.state.findings.filter((finding) => finding.severity === "error").length;
    fill(
      tab,
      "Findings",
      el("span", { class: `ca-count${errors ? " ca-count-error" : ""}` }, String(this.state.findings.length), errors > 0 && el("span", { class: "ca-hidden" }, `, ${plural(errors, "error")}`)),
    );
  }

  async drawPanel() {
    this.panel.className = `ca-panel ca-panel-${this.tab}`;
    this.panel.tabIndex = this.tab === "codes" ? -1 : 0;
    if (this.tab === "codes") {
      this.assigned = el("section", { class: "ca-assigned", "aria-label": "Assigned codes", tabindex: "0" });
      this.suggested = el("section", { class: "ca-suggested", "aria-label": "Suggested codes", tabindex: "0" });
      fill(this.panel, this.assigned, this.suggested);
      this.drawAssigned();
      this.drawSuggested();
      this.light();
      this.showFixKey();
      return;
    }
    if (this.tab === "findings") {
      const within = this.panel.contains(this.root.ownerDocument.activeElement);
      this.listed = bySeverity(this.state.findings);
      fill(this.panel, this.findingList(this.state.findings, true));
      this.focusFinding(Math.min(this.findingAt, this.listed.length - 1), within);
      return;
    }
    fill(this.panel, el("p", { class: "ca-empty", role: "status" }, "One moment …"));
    const tab = this.tab;
    try {
      const shown = await (tab === "claim" ? this.claimView() : this.historyView());
      if (this.tab === tab) fill(this.panel, shown);
    } catch (problem) {
      if (this.tab === tab) fill(this.panel, el("p", { class: "ca-problem" }, problem.message));
    }
  }

  drawAssigned() {
    const parts = [el("h2", {}, "Assigned", this.state.codes.length && el("span", { class: "ca-count" }, String(this.state.codes.length)))];
    for (const system of SYSTEMS) {
      const codes = this.state.codes.filter((code) => code.system === system);
      if (!codes.length) continue;
      parts.push(
        el("h3", {}, system),
        el("ol", { class: "ca-rows" }, codes.map((code, place) => this.keptRow(code, place))),
      );
    }
    if (parts.length === 1) parts.push(el("p", { class: "ca-empty" }, "Nothing yet. What you accept gathers here, in the order of the claim."));
    fill(this.assigned, parts);
    this.drawProgress();
    this.showFixKey();
  }

  /** The row of an assigned code; one that says the same as before is used again, for long lists change often. */
  keptRow(code, place) {
    const says = JSON.stringify([place === 0, this.editable, this.shortcuts, code.title, code.modifiers, code.units, code.present_on_admission, code.billable === false, code.stale, (this.state.flags || {})[keyOf(code)], this.findingsShown(code)]);
    const kept = this.assignedRows.get(keyOf(code));
    if (kept && kept.says === says && kept.code.system === code.system) {
      // Its buttons are about the code object of their time; the order is looked up by key.
      Object.assign(kept.code, code);
      return kept.row;
    }
    const own = { ...code };
    const row = this.assignedRow(own, place);
    this.assignedRows.set(keyOf(code), { says, row, code: own });
    return row;
  }

  assignedRow(code, place) {
    const shown = this.findingsShown(code);
    const lead = place === 0 && code.system.startsWith("ICD") ? (this.facility ? "principal" : "first-listed") : null;
    const extra = [...(code.modifiers || []).map((modifier) => `-${modifier}`), code.units > 1 ? `×${code.units}` : "", code.present_on_admission ? `POA ${code.present_on_admission}` : ""].join(" ").trim();
    return el(
      "li",
      { class: "ca-code ca-final", dataset: { code: keyOf(code) } },
      el("b", {}, code.code, extra && el("span", { class: "ca-modifiers" }, extra)),
      el(
        "span",
        { class: "ca-title", title: code.title, onclick: () => this.showCode(code) },
        code.title,
      ),
      el(
        "span",
        { class: "ca-flags" },
        lead && el("span", { class: "ca-flag ca-first" }, lead),
        this.flagsOf(code),
        shown.signs.map((finding) => this.findingSign(finding)),
        code.billable === false && el("span", { class: "ca-flag ca-warning" }, "▲ header"),
        code.stale && el("span", { class: "ca-flag ca-warning", title: "The note has changed under its evidence" }, "▲ check again"),
      ),
      this.editable &&
        el(
          "span",
          { class: "ca-row-tools" },
          place > 0 && el("button", { type: "button", class: "ca-icon", title: "Move up", "aria-label": `Move ${code.code} up`, onclick: () => this.move(code, -1) }, "↑"),
          el("button", { type: "button", class: "ca-icon", title: "Modifiers and units", "aria-label": `Modifiers and units of ${code.code}`, onclick: () => this.edit(code) }, "±"),
          el("button", { type: "button", class: "ca-icon", title: "Take out", "aria-label": `Take ${code.code} out`, onclick: () => this.takeOut(code) }, "×"),
        ),
      shown.full.map((finding) => this.findingTag(finding)),
    );
  }

  get facility() {
    const { setting, claim } = this.state.encounter;
    return setting === "inpatient" && claim !== "professional";
  }

  flagsOf(code) {
    const flags = (this.state.flags || {})[keyOf(code)];
    if (!flags) return null;
    const labels = [
      flags.hcc && "HCC",
      flags.mcc ? "MCC" : flags.cc && "CC",
      flags.chronic && "chronic",
    ].filter(Boolean);
    return labels.map((label) => el("span", { class: "ca-flag" }, label));
  }

  findingsOf(code) {
    return this.state.findings.filter((finding) => finding.codes.some((other) => keyOf(other) === keyOf(code)));
  }

  /** What the rules say about an assigned code: in full on the first assigned code it is about, a sign on the others. */
  findingsShown(code) {
    const { codes, findings } = this.state;
    if (this.spoken.codes !== codes || this.spoken.findings !== findings) {
      // For each finding, the key of the code that says it; worked out once for all rows.
      const place = new Map(codes.map((other, at) => [keyOf(other), at]));
      const firstOf = (finding) => Math.min(...finding.codes.map((about) => place.get(keyOf(about)) ?? Infinity));
      const on = new Map(findings.map((finding) => [finding, codes[firstOf(finding)]]).map(([finding, first]) => [finding, first ? keyOf(first) : null]));
      this.spoken = { codes, findings, on };
    }
    const told = this.findingsOf(code).filter((finding) => finding.severity !== "information");
    const here = (finding) => this.spoken.on.get(finding) === keyOf(code);
    return { full: told.filter(here), signs: told.filter((finding) => !here(finding)) };
  }

  findingSign(finding, words = "") {
    return el("span", { class: `ca-hint ca-${finding.severity}`, title: finding.message }, el("span", { class: "ca-sign", "aria-hidden": "true" }, SIGNS[finding.severity]), words || el("span", { class: "ca-hidden" }, `${finding.severity}: ${finding.message}`));
  }

  findingTag(finding) {
    return el(
      "span",
      { class: `ca-finding ca-${finding.severity}`, title: `${finding.authority}` },
      el("span", { class: "ca-sign", "aria-hidden": "true" }, SIGNS[finding.severity]),
      el("span", { class: "ca-said" }, el("span", { class: "ca-hidden" }, `${finding.severity}: `), finding.message),
      this.fixable(finding) &&
        this.editable &&
        el("button", { type: "button", class: "ca-fix", dataset: { finding: nameOf(finding) }, onclick: () => this.applyFix(finding) }, this.fixLabel(finding.fix), this.keyHint("fix")),
      finding.query &&
        this.editable &&
        el("button", { type: "button", onclick: () => this.hold(finding) }, "Ask the provider"),
    );
  }

  /** Whether the fix of a finding has something to change: what it would move or take out is there. */
  fixable(finding) {
    if (!finding.fix) return false;
    if (moves(finding.fix)) return this.moved(finding.fix) !== null;
    const { remove, add, modifiers = [] } = finding.fix;
    const there = (code) => this.state.codes.some((other) => keyOf(other) === keyOf(code));
    const offered = (code) => this.suggestions.some((other, index) => keyOf(other) === keyOf(code) && !this.decided.has(index));
    const marks = modifiers.every((line) => there(line) || add.some((code) => keyOf(code) === keyOf(line)));
    return marks && remove.every((code) => there(code) || offered(code));
  }

  /** The assigned codes of a system in the order that a fix asks for, which moves some to their end; null if they stand so. */
  moved(fix) {
    const [{ system }] = fix.add;
    const same = this.state.codes.filter((code) => code.system === system);
    const last = fix.add.map((code) => same.find((other) => keyOf(other) === keyOf(code))).filter(Boolean);
    const ordered = [...same.filter((code) => !last.includes(code)), ...last];
    return ordered.every((code, place) => code === same[place]) ? null : ordered;
  }

  fixLabel(fix) {
    const out = fix.remove.map((code) => code.code);
    const into = fix.add.map((code) => code.code);
    const marked = (fix.modifiers || []).map((line) => [line.code, ...line.modifiers].join("-"));
    if (moves(fix)) return out.length === 1 ? `Move ${out[0]} last` : `${this.moved(fix) ? this.moved(fix)[0].code : "Others"} first`;
    if (!out.length && !into.length) return `Set ${marked.join(", ")}`;
    if (!into.length) return `Take out ${out.join(", ")}`;
    return out.length ? `${out.join(", ")} → ${into.join(", ")}` : `Add ${into.join(", ")}`;
  }

  /** The finding whose fix the key applies: the one stood on in the list, else the current code's first, else any. */
  nextFix() {
    if (this.tab === "findings") return this.listed[this.findingAt] && this.fixable(this.listed[this.findingAt]) ? this.listed[this.findingAt] : null;
    const suggestion = this.suggestions[this.current];
    const mine = suggestion ? [...this.findingsOf(suggestion), ...(suggestion.findings || [])] : [];
    return [...mine, ...this.state.findings].find((finding) => this.fixable(finding)) || null;
  }

  /** The key stands on the one button that it presses. */
  showFixKey() {
    const next = this.editable && this.nextFix();
    for (const button of this.panel.querySelectorAll(".ca-fix")) button.classList.toggle("ca-by-key", Boolean(next) && button.dataset.finding === nameOf(next));
  }

  findingList(findings, detailed) {
    if (!findings.length) return el("p", { class: "ca-empty" }, "The rules have nothing to say about the assigned codes.");
    const sorted = bySeverity(findings);
    const headings = { error: "Errors: these block the submission", warning: "Warnings", query: "Worth a query to the provider", information: "For information" };
    return el(
      "div",
      { class: "ca-finding-list" },
      SEVERITIES.map((severity) => {
        const mine = sorted.filter((finding) => finding.severity === severity);
        if (!mine.length) return null;
        return [
          el(detailed ? "h2" : "h3", { class: "ca-head" }, headings[severity]),
          el(
            "ul",
            { class: "ca-rows" },
            mine.map((finding) =>
              el(
                "li",
                { class: `ca-code ca-one-finding ca-edge-${severity}`, tabindex: detailed ? "-1" : null, dataset: detailed ? { finding: String(sorted.indexOf(finding)) } : {}, onclick: (event) => detailed && !event.target.closest("button") && this.focusFinding(sorted.indexOf(finding)) },
                el("span", { class: "ca-about" }, finding.codes.map((code) => el("button", { type: "button", title: `Show ${code.code}`, onclick: () => this.showCode(code) }, el("b", {}, code.code)))),
                this.findingTag(finding),
                detailed && el("small", {}, `${finding.authority} · ${finding.rule}`),
              ),
            ),
          ),
        ];
      }),
    );
  }

  drawSuggested() {
    const parts = [el("h2", {}, "Suggested", this.suggestions.length > 0 && el("span", { class: "ca-count" }, String(this.suggestions.length)))];
    const run = this.state.run;
    if (this.options.practice) {
      parts.push(el("p", { class: "ca-empty" }, this.options.hint || "Code the note on your own: search a code, or select words of the note. The tool's suggestions come when you compare."));
    } else if (this.state.veiled) {
      parts.push(el("p", { class: "ca-empty" }, "A blinded audit drew this encounter: it is coded from its notes there, and its codes are shown then."));
    } else if (run && run.state === "failed") {
      parts.push(el("p", { class: "ca-empty" }, "No suggestions could be computed for this encounter; codes can be searched and added."));
    } else if (!run || (run.state && run.state !== "done")) {
      parts.push(el("p", { class: "ca-empty", role: "status" }, "Suggestions are being computed …"));
    } else if (!this.suggestions.length) {
      parts.push(el("p", { class: "ca-empty" }, "The notes support no code that the tool knows."));
    }
    const order = this.suggestions.map((_, index) => index);
    for (const system of SYSTEMS) {
      const mine = order.filter((index) => this.suggestions[index].system === system);
      if (!mine.length) continue;
      const likely = mine.filter((index) => this.suggestions[index].selected || this.suggestions[index].score >= LIKELY);
      const rest = mine.filter((index) => !likely.includes(index));
      parts.push(el("h3", {}, system), likely.length ? el("ol", { class: "ca-rows" }, likely.map((index) => this.suggestionRow(index))) : null);
      if (rest.length) {
        const list = el("ol", { class: "ca-rows" });
        const details = el("details", { class: "ca-rest" }, el("summary", {}, `${rest.length} less likely`), list);
        const open = () => {
          if (details.open && !list.children.length) list.append(...rest.map((index) => this.suggestionRow(index)));
          this.collectRows();
        };
        details.addEventListener("toggle", open);
        details.unfold = () => {
          details.open = true;
          open();
        };
        parts.push(details);
      }
    }
    const withheld = this.options.practice || !run ? [] : run.withheld || [];
    if (withheld.length) parts.push(this.withheldList(withheld));
    fill(this.suggested, parts);
    this.collectRows();
  }

  withheldList(withheld) {
    return el(
      "details",
      { class: "ca-withheld" },
      el("summary", {}, `${withheld.length} withheld, with the reason`),
      el(
        "ul",
        { class: "ca-rows" },
        withheld.map((item) =>
          el(
            "li",
            { class: "ca-code" },
            el("span", { class: "ca-mark", "aria-hidden": "true" }, "–"),
            el("b", {}, item.code),
            el("span", { class: "ca-title" }, item.title),
            el("span", { class: "ca-flag ca-reason" }, item.reason),
            this.snippet(item),
            this.editable &&
              el("span", { class: "ca-choice-row" }, el("button", { type: "button", "aria-label": `Add ${item.code} all the same`, onclick: () => this.decide([this.decision("add", item, null)]) }, "Add all the same")),
          ),
        ),
      ),
    );
  }

  /** The rows in the order of the page: what j and k walk through. */
  collectRows() {
    this.rows = [...this.suggested.querySelectorAll("li[data-index]")].filter((row) => {
      const details = row.closest("details");
      return !details || details.open;
    });
  }

  snippet(item) {
    const evidence = item.evidence[0];
    if (!evidence) return null;
    const note = this.state.encounter.notes.find((candidate) => candidate.id === this.noteOf(evidence));
    if (!note) return null;
    const offsets = this.offsets.get(note.id);
    const [start, end] = [offsets.unit(evidence.start), offsets.unit(evidence.end)];
    const clean = (text) => text.replace(/\s+/g, " ");
    const [before, after] = [Math.max(0, start - 28), Math.min(note.text.length, end + 40)];
    return el(
      "q",
      { class: "ca-snippet", onclick: () => this.showEvidence(evidence) },
      before > 0 && "…",
      clean(this.wholeWords(note.text.slice(before, start), before > 0)),
      el("mark", {}, clean(note.text.slice(start, end))),
      clean(this.wholeWords(note.text.slice(end, after), after < note.text.length, false)),
      after < note.text.length && "…",
      item.evidence.length > 1 && el("span", { class: "ca-more" }, ` and ${item.evidence.length - 1} more`),
    );
  }

  /** A piece of text without the word that was torn at its start, or at its end. */
  wholeWords(text, torn, atStart = true) {
    const at = atStart ? text.search(/\s/) : text.search(/\s\S*$/);
    if (!torn || at < 0) return text;
    return atStart ? text.slice(at) : text.slice(0, at + 1);
  }

  suggestionRow(index) {
    const row = el("li", { class: "ca-code", tabindex: "-1", dataset: { index: String(index) } });
    row.addEventListener("click", (event) => {
      if (!event.target.closest("button, summary") && index !== this.current) this.focusRow(index);
    });
    this.fillRow(row, index);
    return row;
  }

  /** What a row says: a line while it is not current; everything, with its choices, while it is. */
  fillRow(row, index) {
    const suggestion = this.suggestions[index];
    const decision = this.decided.get(index);
    const current = index === this.current;
    row.classList.toggle("ca-decided", Boolean(decision));
    row.classList.toggle("ca-preselected", suggestion.selected);
    row.classList.toggle("ca-current", current);
    row.tabIndex = current ? 0 : -1;
    if (current) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
    const [mark, word] = decision ? MARKS[decision.verdict] : suggestion.selected ? ["●", "preselected"] : ["○", "not preselected"];
    const findings = decision ? [] : (suggestion.findings || []).filter((finding) => finding.severity !== "information");
    fill(
      row,
      el("span", { class: `ca-mark${decision ? ` ca-mark-${decision.verdict}` : ""}`, title: word }, el("span", { "aria-hidden": "true" }, mark), el("span", { class: "ca-hidden" }, `${word}: `)),
      el("b", {}, suggestion.code),
      el("span", { class: "ca-title", title: suggestion.title }, suggestion.title, this.flagsOf(suggestion)),
      decision ? this.verdictWords(decision) : el("span", { class: "ca-score" }, el("span", { class: "ca-hidden" }, "probability "), percent(suggestion.score)),
      (!decision || current) && this.snippet(suggestion),
      current
        ? [
            this.editable && this.rowChoices(index, decision),
            !decision && suggestion.reasons.length ? el("ul", { class: "ca-why", "aria-label": "Why it is suggested" }, suggestion.reasons.map((reason) => el("li", {}, reason))) : null,
            findings.map((finding) => this.findingTag(finding)),
            this.editable && (decision && decision.verdict === "reject" ? this.reasonChoices(index, decision) : this.alternativeChoices(index)),
          ]
        : findings.length && el("span", { class: "ca-hints" }, findings.map((finding) => this.findingSign(finding, finding.severity))),
    );
  }

  verdictWords(decision) {
    const more = decision.verdict === "reject" ? `: ${reasonWords(decision.reason)}` : decision.verdict === "replace" && decision.replaces && decision.replaces.code !== decision.code ? ` by ${decision.code}` : "";
    return el("span", { class: "ca-verdict" }, `${MARKS[decision.verdict][1]}${more}`, decision.waiting && !this.alert.hidden && el("i", {}, " · not saved yet"));
  }

  alternativeChoices(index) {
    const suggestion = this.suggestions[index];
    const all = suggestion.alternatives.slice(0, 9);
    if (!all.length) return null;
    const codes = all.slice(0, this.shownAlternatives(index));
    this.learnTitles(suggestion.system, codes);
    return el(
      "span",
      { class: "ca-alternatives", role: "group", "aria-label": "Alternatives" },
      codes.map((code, place) =>
        el(
          "button",
          { type: "button", onclick: () => this.takeAlternative(index, place) },
          this.shortcuts && el("kbd", {}, String(place + 1)),
          el("b", {}, code),
          el("span", { dataset: { title: `${suggestion.system}:${code}` } }, this.titleOf({ system: suggestion.system, code }) || ""),
        ),
      ),
      codes.length < all.length && el("button", { type: "button", class: "ca-unfold", onclick: () => this.unfold(index) }, `${all.length - codes.length} more alternatives`),
    );
  }

  /** How many alternatives of a suggestion are shown: the first few, so that its neighbours stay in sight. */
  shownAlternatives(index) {
    const { length } = this.suggestions[index].alternatives;
    return this.unfolded === index || length <= FIRST_ALTERNATIVES + 1 ? 9 : FIRST_ALTERNATIVES;
  }

  unfold(index) {
    this.unfolded = index;
    this.refreshRow(index);
    const row = this.rowOf(index);
    row.focus({ preventScroll: true });
    this.revealRow(row);
  }

  /** For a rejected code its reason may be chosen later too: by a digit, or by pressing it. */
  reasonChoices(index, decision) {
    return el(
      "span",
      { class: "ca-reasons", role: "group", "aria-label": "Reason of the rejection" },
      REASONS.map(([name, words], place) =>
        el(
          "button",
          { type: "button", "aria-pressed": String(decision.reason === name), onclick: () => this.chooseReason(index, place) },
          this.shortcuts && el("kbd", {}, String(place + 1)),
          words,
        ),
      ),
    );
  }

  rowChoices(index, decision) {
    const button = (name, label, style, act) => el("button", { type: "button", class: style, onclick: act }, label, this.keyHint(name));
    const accepted = decision && decision.verdict !== "reject";
    return el(
      "span",
      { class: "ca-choice-row" },
      !accepted && button("accept", decision ? "Accept after all" : "Accept", "ca-yes", () => this.accept(index)),
      !(decision && decision.verdict === "reject") && button("reject", "Reject", "ca-no", () => this.startReject(index)),
      button("change", "Other …", "", () => this.change()),
      accepted && button("edit", "Modifiers", "", () => this.editCurrent()),
      accepted && button("first", "First", "", () => this.makeFirst()),
      (this.marks.get(index) || []).length > 1 && button("evidence", `Evidence ×${this.marks.get(index).length}`, "", () => this.nextEvidence()),
    );
  }

  /** What a code is called: by a suggestion, a standing code, or what was looked up; null if nobody said yet. */
  titleOf(code) {
    const known = [...this.suggestions, ...this.state.codes].find((other) => keyOf(other) === keyOf(code) && other.title);
    return known ? known.title : this.titles.get(keyOf(code)) || null;
  }

  /** Look up what alternatives are called, and write it where it is missing. */
  async learnTitles(system, codes) {
    if (!this.adapter.entry) return;
    for (const code of codes) {
      const key = `${system}:${code}`;
      if (this.titles.has(key) || this.titleOf({ system, code })) continue;
      this.titles.set(key, "");
      this.adapter.entry(system, code).then(
        (entry) => {
          this.titles.set(key, entry.title);
          for (const place of this.root.querySelectorAll("[data-title]")) if (place.dataset.title === key) place.textContent = entry.title;
        },
        () => this.titles.delete(key),
      );
    }
  }

  rowOf(index) {
    return this.suggested ? this.suggested.querySelector(`li[data-index="${index}"]`) : null;
  }

  refreshRow(index) {
    const row = this.rowOf(index);
    if (row) this.fillRow(row, index);
    this.tint(index);
  }

  // ---- focus ---------------------------------------------------------------------------------------------

  firstUndecided() {
    const open = this.order().find((index) => !this.decided.has(index));
    return open === undefined ? 0 : open;
  }

  order() {
    return (this.rows || []).map((row) => Number(row.dataset.index));
  }

  focusRow(index) {
    if (index === undefined || !this.suggestions[index]) return;
    if (this.tab !== "codes") this.show("codes");
    if (!this.rowOf(index)) for (const details of this.suggested.querySelectorAll(".ca-rest")) details.unfold();
    const before = this.current;
    this.current = index;
    this.evidenceAt = -1;
    this.shownAt = new Date().toISOString();
    if (before !== index) this.refreshRow(before);
    this.refreshRow(index);
    this.light();
    this.showFixKey();
    const row = this.rowOf(index);
    if (!row) return;
    row.focus({ preventScroll: true });
    this.revealRow(row);
    this.nextEvidence();
  }

  /** Stand on a finding of the list: the keys for its fix and its query are about it. */
  focusFinding(at, focus = true) {
    this.findingAt = Math.max(0, at);
    for (const row of this.panel.querySelectorAll("li[data-finding]")) {
      const here = Number(row.dataset.finding) === this.findingAt;
      row.classList.toggle("ca-here", here);
      row.tabIndex = here ? 0 : -1;
      if (here && focus) {
        row.focus({ preventScroll: true });
        reveal(this.panel, row, { margin: 28 });
      }
    }
    this.showFixKey();
  }

  /** Show a code among the codes, and its evidence in the notes. */
  showCode(code) {
    const index = this.suggestions.findIndex((suggestion) => keyOf(suggestion) === keyOf(code));
    if (index >= 0) return this.focusRow(index);
    if (this.tab !== "codes") this.show("codes");
    const row = [...this.assigned.querySelectorAll("li[data-code]")].find((item) => item.dataset.code === keyOf(code));
    if (row) reveal(this.assigned, row);
    const decision = this.state.decisions.findLast((made) => keyOf(made) === keyOf(code) && !made.undone && made.evidence && made.evidence.length);
    if (decision) this.showEvidence(decision.evidence[0]);
    return null;
  }

  /** Show a row inside the pane that scrolls: its list, or the whole panel where the page is narrow. */
  revealRow(row) {
    const pane = this.suggested.scrollHeight > this.suggested.clientHeight + 1 ? this.suggested : this.panel;
    if (row === this.rows[0]) pane.scrollTop = Math.min(pane.scrollTop, pane === this.suggested ? 0 : row.offsetTop);
    reveal(pane, row, { margin: 34 });
  }

  /** Light the evidence of the current code in the note. */
  light() {
    for (const mark of this.lit.flat()) mark.classList.remove("ca-lit", "ca-here");
    this.lit = (this.marks.get(this.current) || []).filter((place) => place.length);
    for (const mark of this.lit.flat()) mark.classList.add("ca-lit");
  }

  step(by) {
    if (this.tab === "findings") {
      this.focusFinding(Math.min(this.findingAt + by, this.listed.length - 1));
      return;
    }
    const order = this.order();
    if (!order.length) return;
    const place = order.indexOf(this.current);
    this.focusRow(order[Math.min(Math.max(place + by, 0), order.length - 1)]);
  }

  /** After a decision: the next undecided code, the preselected ones before the others, else one that was skipped. */
  advance() {
    const order = this.order();
    const place = order.indexOf(this.current);
    const undecided = [...order.slice(place + 1), ...order.slice(0, place)].filter((index) => !this.decided.has(index));
    const open = undecided.find((index) => this.suggestions[index].selected) ?? undecided[0];
    if (open === undefined) {
      this.say("Every listed code is decided. Submit when you are ready.");
      this.refreshRow(this.current);
      const row = this.rowOf(this.current);
      if (row) row.focus({ preventScroll: true });
    } else {
      this.focusRow(open);
      const left = this.counts().undecided;
      if (!left && this.undecidedBefore) this.say(`Every preselected code is decided. ${this.shortcuts ? `${keyName(this.keys.submit[0])} submits; ` : ""}what follows is less likely.`);
      this.undecidedBefore = left;
    }
  }

  /** How many preselected suggestions are undecided, and how many suggestions are decided. */
  counts() {
    return { undecided: this.suggestions.filter((suggestion, index) => suggestion.selected && !this.decided.has(index)).length, decided: this.decided.size };
  }

  /** Go to the next place in the notes that the current code rests on; the first one if none is shown yet. */
  nextEvidence() {
    const places = this.lit;
    if (!places.length) return;
    this.evidenceAt = (this.evidenceAt + 1) % places.length;
    for (const mark of places.flat()) mark.classList.remove("ca-here");
    for (const mark of places[this.evidenceAt]) mark.classList.add("ca-here");
    reveal(this.notes, places[this.evidenceAt][0], { margin: 24, centre: true });
    this.outlineOf(places[this.evidenceAt][0]);
  }

  showEvidence(evidence) {
    this.showPlace(this.noteOf(evidence), evidence.start);
  }

  say(text) {
    this.status.textContent = text;
  }

  // ---- keys ----------------------------------------------------------------------------------------------

  onKey(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !this.state || !this.shortcuts) return;
    const target = event.target.closest ? event.target : this.root;
    if (target.closest("input, textarea, select, dialog, [contenteditable]")) return;
    if ((event.key === "Enter" || event.key === " ") && target.closest("button, summary, a")) return;
    // A pane that was focused to be read scrolls by the arrows, as everywhere.
    if (event.key.startsWith("Arrow") && !target.closest("li[data-index], li[data-finding]") && target.closest("[tabindex='0']")) return;
    if (/^[1-9]$/.test(event.key)) {
      event.preventDefault();
      this.strokes += 1;
      if (this.showFirst()) return;
      const place = Number(event.key) - 1;
      const decision = this.decided.get(this.current);
      if (this.pendingReject) this.flushReject(place);
      else if (decision && decision.verdict === "reject") this.chooseReason(this.current, place);
      else this.takeAlternative(this.current, place);
      return;
    }
    const name = Object.keys(this.keys).find((command) => this.keys[command].includes(event.key));
    if (!name) return;
    event.preventDefault();
    if (this.options.scope === "root") event.stopPropagation();
    this.strokes += 1;
    this.run(name);
  }

  run(name) {
    if (name !== "undo") this.flushReject();
    if (["accept", "reject", "change", "edit", "first"].includes(name) && this.editable && this.showFirst()) return;
    const commands = {
      next: () => this.step(1),
      previous: () => this.step(-1),
      accept: () => this.accept(this.current),
      reject: () => this.startReject(this.current),
      evidence: () => this.nextEvidence(),
      fix: () => this.fixCurrent(),
      change: () => this.change(),
      search: () => this.search(),
      add: () => this.addFromSelection(),
      undo: () => this.undo(),
      bulk: () => this.bulk(),
      edit: () => this.editCurrent(),
      first: () => this.makeFirst(),
      hold: () => (this.state.encounter.state === "on_hold" ? this.release() : this.editable && this.hold(this.tab === "findings" ? this.listed[this.findingAt] : null)),
      submit: () => this.submit(),
      help: () => this.help(),
    };
    const reads = ["next", "previous", "evidence", "help"];
    if (!reads.includes(name) && !(name === "hold" && !this.options.readonly) && !this.editable) {
      this.say(`The encounter is ${this.state.encounter.state.replace("_", " ")}; nothing can be decided now.`);
      return;
    }
    commands[name]();
  }

  /** Nobody decides on a code that another tab hides: the first press shows it. */
  showFirst() {
    if (this.tab === "codes" || !this.suggestions[this.current]) return false;
    this.focusRow(this.current);
    this.say(`${this.suggestions[this.current].code} is the current code; press again to decide.`);
    return true;
  }

  // ---- decisions -----------------------------------------------------------------------------------------

  decision(verdict, code, index, via = "single", more = {}) {
    return {
      suggestion: index,
      verdict,
      system: code.system,
      code: code.code,
      via,
      shown_at: this.shownAt,
      ...(more.evidence || index !== null || !code.evidence ? {} : { evidence: code.evidence.map((e) => ({ note_id: this.noteOf(e), start: e.start, end: e.end })) }),
      ...more,
    };
  }

  accept(index, via = "single") {
    const suggestion = this.suggestions[index];
    if (!suggestion || !this.editable) return;
    this.flushReject();
    if (this.decided.has(index) && this.decided.get(index).verdict === "accept") return this.advance();
    this.decide([this.decision("accept", suggestion, index, via)]);
    this.say(`${suggestion.code} accepted.`);
    this.advance();
  }

  /** Reject at once on the page; the request waits a moment, since a digit for the reason may follow. */
  startReject(index) {
    const suggestion = this.suggestions[index];
    if (!suggestion || !this.editable) return;
    this.flushReject();
    const decision = this.decision("reject", suggestion, index, "single", { reason: REASONS[0][0] });
    const before = this.apply([decision]);
    this.pendingReject = { decision, before, timer: setTimeout(() => this.flushReject(), REASON_WAIT) };
    this.tellUnsaved();
    this.showApplied([decision]);
    this.advance();
    this.offerReasons(index);
  }

  flushReject(reason) {
    const pending = this.pendingReject;
    if (!pending) return;
    clearTimeout(pending.timer);
    this.pendingReject = null;
    const { decision } = pending;
    if (reason !== undefined && REASONS[reason]) {
      decision.reason = REASONS[reason][0];
      this.decided.get(decision.suggestion).reason = decision.reason;
      if (!this.gone) this.refreshRow(decision.suggestion);
      this.say(`${decision.code} rejected: ${REASONS[reason][1]}.`);
    }
    this.decisions += 1;
    this.put({ kind: "decide", decisions: [decision], before: pending.before, key: newKey() });
  }

  /** Say what was rejected, with the other reasons at hand: by a digit, a mouse or a finger. */
  offerReasons(index) {
    const { code } = this.suggestions[index];
    const others = REASONS.map(([, words], place) => place > 0 && el("button", { type: "button", onclick: () => this.giveReason(index, place) }, this.shortcuts && el("kbd", { "aria-hidden": "true" }, String(place + 1)), words));
    fill(this.status, el("span", {}, el("b", {}, code), ` rejected: ${REASONS[0][1]}. Or:`), others);
  }

  giveReason(index, place) {
    const suggestion = this.suggestions[index];
    if (this.pendingReject && this.pendingReject.decision.suggestion === index) return this.flushReject(place);
    this.decide([this.decision("reject", suggestion, index, "single", { reason: REASONS[place][0] })]);
    return this.say(`${suggestion.code} rejected: ${REASONS[place][1]}.`);
  }

  chooseReason(index, place) {
    if (!REASONS[place] || !this.editable) return;
    this.giveReason(index, place);
    this.advance();
  }

  takeAlternative(index, place) {
    const suggestion = this.suggestions[index];
    if (!suggestion || !this.editable) return;
    const code = suggestion.alternatives[place];
    if (!code) {
      this.say(`${suggestion.code} has no alternative ${place + 1}.`);
      return;
    }
    if (place >= this.shownAlternatives(index)) {
      // Nobody takes what was not shown: the first press shows it.
      this.unfold(index);
      return;
    }
    this.flushReject();
    const replaces = { system: suggestion.system, code: suggestion.code };
    this.decide([this.decision("replace", { system: suggestion.system, code }, index, "alternative", { replaces })]);
    this.say(`${suggestion.code} replaced by ${code}.`);
    this.advance();
  }

  takeOut(code) {
    const index = this.suggestions.findIndex((suggestion) => keyOf(suggestion) === keyOf(code));
    this.decide([this.decision("reject", code, index < 0 ? null : index, "single", { reason: "wrong_code" })]);
  }

  applyFix(finding) {
    const { remove, add, modifiers = [] } = finding.fix;
    const standing = (code) => this.state.codes.find((other) => keyOf(other) === keyOf(code));
    if (moves(finding.fix)) {
      const ordered = this.moved(finding.fix);
      if (ordered) this.reorder(add[0].system, ordered);
      return;
    }
    // What comes in takes over what stood beside the code it replaces, unless the fix says otherwise.
    const beside = (code, old) => {
      const named = modifiers.find((line) => keyOf(line) === keyOf(code));
      const { modifiers: kept = [], units = 1, present_on_admission = null } = old || {};
      return { modifiers: named ? named.modifiers : kept, units, ...(present_on_admission ? { present_on_admission } : {}) };
    };
    const decisions = [];
    remove.forEach((code, place) => {
      const at = this.suggestions.findIndex((suggestion) => keyOf(suggestion) === keyOf(code));
      const index = at < 0 ? null : at;
      if (add[place]) decisions.push(this.decision("replace", add[place], index, "alternative", { replaces: code, ...beside(add[place], standing(code)) }));
      else decisions.push(this.decision("reject", code, index, "single", { reason: "wrong_code" }));
    });
    for (const code of add.slice(remove.length)) decisions.push(this.decision("add", code, null, "alternative", beside(code)));
    for (const line of modifiers.filter((marked) => !add.some((code) => keyOf(code) === keyOf(marked)))) decisions.push(this.again(line, beside(line, standing(line))));
    this.decide(decisions);
    this.say(`${this.fixLabel(finding.fix)}: done.`);
  }

  fixCurrent() {
    const finding = this.nextFix();
    if (finding) this.applyFix(finding);
    else this.say(this.tab === "findings" && this.listed.length ? "This finding has no fix of its own." : "No finding here has a fix.");
  }

  /** Show decisions at once and put them in line for the service. */
  decide(decisions) {
    this.flushReject(); // a rejection that waits for its reason comes first, as it was made first
    const before = this.apply(decisions);
    this.decisions += decisions.length;
    this.put({ kind: "decide", decisions, before, key: newKey() });
    this.showApplied(decisions);
  }

  /** Take decisions into what the page holds; returns what stood before. */
  apply(decisions) {
    const before = { codes: this.state.codes, decided: decisions.map(({ suggestion }) => [suggestion, this.decided.get(suggestion)]) };
    for (const decision of decisions) {
      if (decision.suggestion !== null) this.decided.set(decision.suggestion, { ...decision, waiting: true });
      this.foresee(decision);
    }
    return before;
  }

  showApplied(decisions) {
    if (this.gone) return;
    if (this.tab === "codes") {
      this.drawAssigned();
      const added = decisions[decisions.length - 1];
      const row = [...this.assigned.querySelectorAll("li[data-code]")].find((item) => item.dataset.code === keyOf(added));
      if (row) reveal(this.assigned, row);
      for (const decision of decisions) if (decision.suggestion !== null) this.refreshRow(decision.suggestion);
    } else this.drawProgress();
  }

  takeBack(before, decisions) {
    this.state.codes = before.codes;
    for (const [index, decision] of before.decided) {
      if (decision) this.decided.set(index, decision);
      else this.decided.delete(index);
    }
    this.showApplied(decisions);
    const first = decisions.find((decision) => decision.suggestion !== null);
    if (first) this.focusRow(first.suggestion);
  }

  /** What the assigned list will be once the service has answered. */
  foresee(decision) {
    const gone = decision.replaces ? keyOf(decision.replaces) : decision.verdict === "reject" ? keyOf(decision) : null;
    const place = this.state.codes.findIndex((code) => keyOf(code) === gone);
    const codes = this.state.codes.filter((code) => keyOf(code) !== gone);
    const there = codes.findIndex((code) => keyOf(code) === keyOf(decision));
    if (decision.verdict !== "reject" && there >= 0) {
      codes[there] = { ...codes[there], modifiers: decision.modifiers || [], units: decision.units || 1, present_on_admission: decision.present_on_admission || null };
    } else if (decision.verdict !== "reject") {
      const code = { system: decision.system, code: decision.code, title: this.titleOf(decision) || "", modifiers: decision.modifiers || [], units: decision.units || 1, present_on_admission: decision.present_on_admission || null };
      codes.splice(place < 0 ? codes.length : place, 0, code);
    }
    this.state.codes = codes;
  }

  put(request) {
    this.waiting.push(request);
    this.tellUnsaved();
    this.send();
  }

  /** Whoever watches the page can tell whether something is not saved yet. */
  tellUnsaved() {
    this.root.dataset.unsaved = String(this.unsaved + (this.pendingReject ? 1 : 0));
  }

  /** Send what waits, one at a time, each with the version that the answer before it gave. */
  async send() {
    if (this.sending || !this.waiting.length) return;
    this.sending = true;
    clearTimeout(this.retryTimer);
    while (this.waiting.length) {
      const request = this.waiting[0];
      request.tried = true;
      try {
        const answer = await this.ask(request);
        this.waiting.shift();
        this.answered(answer, request);
        this.tellUnsaved();
        this.back();
      } catch (problem) {
        if (problem.kind === "offline" || problem.kind === "signed-out") {
          this.cutOff(problem.kind);
          if (problem.kind === "offline") this.retryTimer = setTimeout(() => this.send(), RETRY_AFTER);
          break;
        }
        this.waiting.shift();
        if (this.gone) continue;
        await this.failed(problem, request);
      }
    }
    this.sending = false;
    this.tellUnsaved();
    if (!this.waiting.length) for (const tell of this.drains.splice(0)) tell();
    this.emit("sent", { waiting: this.waiting.length });
  }

  ask(request) {
    const version = this.state.version;
    if (request.kind === "decide") return this.adapter.decide(request.decisions, version, request.key);
    if (request.kind === "undo") return this.adapter.undo(version, request.key);
    return this.adapter.order(request.codes, version, request.key);
  }

  answered(answer, request) {
    const last = this.waiting.length === 0 && !this.pendingReject;
    this.state.version = answer.version;
    const { encounter } = this.state;
    if (encounter.state === "new" && !this.options.practice) {
      // The first decision takes the encounter into review.
      encounter.state = "in_review";
      if (!this.gone) this.drawBanner();
      this.emit("state", { state: encounter.state });
    }
    const undone = this.learn(answer.decisions || []);
    if (!last || this.gone) return; // what is on the page is ahead of this answer
    this.state.codes = answer.codes;
    this.state.findings = answer.findings;
    const before = new Map(this.decided);
    this.settle();
    for (const index of new Set([...before.keys(), ...this.decided.keys()])) {
      const [was, is] = [before.get(index), this.decided.get(index)];
      if (!was || !is || was.verdict !== is.verdict || was.code !== is.code || was.reason !== is.reason) this.refreshRow(index);
    }
    if (this.tab === "codes") this.drawAssigned();
    else if (this.tab === "findings" || this.tab === "claim") this.drawPanel();
    this.drawProgress();
    this.countFindings();
    if (request.kind === "undo") {
      this.say("Undone.");
      const first = undone.find((decision) => decision.suggestion !== null && this.suggestions[decision.suggestion]);
      if (first) this.focusRow(first.suggestion);
    }
    this.emit("changed", { codes: this.state.codes, decisions: this.state.decisions });
  }

  /** Put decisions that the service has made beside the earlier ones; returns those that they undid. */
  learn(decisions) {
    const undone = [];
    for (const decision of decisions) {
      const earlier = this.state.decisions.find((other) => other.id === decision.undoes);
      if (earlier) {
        earlier.undone = true;
        undone.push(earlier);
      }
      this.state.decisions.push(decision);
    }
    return undone;
  }

  get unsaved() {
    return this.waiting.reduce((sum, request) => sum + (request.decisions ? request.decisions.length : 1), 0);
  }

  cutOff(kind) {
    this.away = kind;
    if (this.gone) return;
    const signedOut = kind === "signed-out";
    this.alert.hidden = false;
    this.alert.classList.add("ca-away");
    fill(
      this.alert,
      el("span", { class: "ca-sign", "aria-hidden": "true" }, "!"),
      el("span", {}, el("b", {}, signedOut ? "You are signed out. " : "No connection. "), `${plural(this.unsaved, "change")} not saved yet. `, signedOut ? "Sign in again, and they are sent." : "Go on working; everything is sent once, in order, when it returns."),
    );
  }

  back() {
    if (!this.away || this.waiting.length || this.gone) return;
    this.away = null;
    this.alert.hidden = true;
    this.alert.classList.remove("ca-away");
    this.say("The connection is back; everything is saved.");
  }

  async failed(problem, request) {
    const requests = [request, ...this.waiting];
    if (this.pendingReject) {
      clearTimeout(this.pendingReject.timer);
      requests.push({ kind: "decide", decisions: [this.pendingReject.decision] });
      this.pendingReject = null;
    }
    this.waiting = [];
    const mine = (list) => list.flatMap((waiting) => waiting.decisions || []);
    try {
      await this.reload();
    } catch {
      // The page still shows what it had; the message below says what was not saved.
    }
    if (problem.kind === "conflict") {
      const unsaved = mine(requests);
      const again = unsaved.length ? await this.askConflict(problem.changed || [], unsaved) : false;
      if (again && this.editable) this.decide(this.relocate(unsaved));
      else if (!unsaved.length) this.say("Someone else changed this encounter; it is shown as it stands now.");
      return;
    }
    const names = mine([request]).map((decision) => `${decision.verdict} ${decision.code}`).join(", ");
    this.warn(`Not saved${names ? ` (${names})` : ""}: ${problem.message}`);
    const others = this.relocate(mine(requests.slice(1)));
    if (others.length && this.editable) this.decide(others);
  }

  /** Decisions name suggestions by their place in a run; where there is a new one, find them again. */
  relocate(decisions) {
    return decisions.map((decision) => {
      if (decision.suggestion === null) return decision;
      const wanted = keyOf(decision.replaces || decision);
      const at = this.suggestions.findIndex((suggestion) => keyOf(suggestion) === wanted);
      if (at >= 0) return { ...decision, suggestion: at };
      return { ...decision, suggestion: null, verdict: decision.verdict === "accept" ? "add" : decision.verdict };
    });
  }

  askConflict(changed, unsaved) {
    const both = new Set(changed.flatMap((theirs) => [keyOf(theirs), theirs.replaces ? keyOf(theirs.replaces) : ""]));
    const said = (decision, who) =>
      el(
        "li",
        {},
        el("b", {}, decision.code),
        ` ${MARKS[decision.verdict] ? MARKS[decision.verdict][1] : decision.verdict}${decision.replaces && decision.replaces.code !== decision.code ? ` for ${decision.replaces.code}` : ""}${decision.undoes ? " (an undo)" : ""}`,
        who && ` by ${who}`,
        !who && both.has(keyOf(decision)) && el("span", { class: "ca-flag ca-warning" }, "▲ both of you"),
      );
    return dialog(
      this.root,
      "Someone else changed this encounter",
      (close) =>
        el(
          "form",
          { method: "dialog", class: "ca-conflict", onsubmit: () => close(true) },
          el("p", {}, "Nothing is lost. The page now shows the encounter as it stands; decide what becomes of your own decisions."),
          el("div", { class: "ca-columns" },
            el("div", {}, el("h3", {}, "Saved since you opened it"), changed.length ? el("ul", {}, changed.map((decision) => said(decision, decision.reviewer || "another user"))) : el("p", {}, "Its state or its order was changed.")),
            el("div", {}, el("h3", {}, "Yours, not saved yet"), el("ul", {}, unsaved.map((decision) => said(decision)))),
          ),
          el(
            "div",
            { class: "ca-actions" },
            el("button", { type: "submit", class: "ca-primary", autofocus: true }, "Save mine on top"),
            el("button", { type: "button", onclick: () => close(false) }, "Leave mine out"),
          ),
        ),
      { must: true },
    );
  }

  warn(text) {
    if (this.gone) return;
    this.alert.hidden = false;
    fill(this.alert, el("span", { class: "ca-sign", "aria-hidden": "true" }, "!"), el("span", {}, text), el("button", { type: "button", onclick: () => (this.alert.hidden = true) }, "OK"));
  }

  async reload() {
    const state = await this.adapter.load();
    if (this.gone) return;
    const before = this.suggestions[this.current];
    this.take(state);
    const again = before ? this.suggestions.findIndex((suggestion) => keyOf(suggestion) === keyOf(before)) : 0;
    this.current = Math.max(0, again);
    this.drawBanner();
    this.drawNotes();
    this.drawCodes();
    this.light();
  }

  undo() {
    const pending = this.pendingReject;
    if (pending) {
      clearTimeout(pending.timer);
      this.pendingReject = null;
      this.tellUnsaved();
      this.takeBack(pending.before, [pending.decision]);
      return this.say("Undone.");
    }
    const last = this.waiting[this.waiting.length - 1];
    if (last && !last.tried && last.before) {
      this.waiting.pop();
      this.decisions -= last.decisions.length;
      this.tellUnsaved();
      this.takeBack(last.before, last.decisions);
      return this.say("Undone before it was sent.");
    }
    if (!this.state.decisions.length && !this.waiting.length && !this.options.practice) return this.say("There is nothing to undo.");
    return this.put({ kind: "undo", key: newKey() });
  }

  // ---- order and edits -----------------------------------------------------------------------------------

  move(code, by) {
    const same = this.state.codes.filter((other) => other.system === code.system);
    const place = same.findIndex((other) => keyOf(other) === keyOf(code));
    same.splice(place + by, 0, ...same.splice(place, 1));
    this.reorder(code.system, same);
  }

  reorder(system, codes) {
    this.flushReject();
    this.state.codes = [...this.state.codes.filter((code) => code.system !== system), ...codes];
    this.drawAssigned();
    this.put({ kind: "order", key: newKey(), codes: this.state.codes.map(({ system: of, code }) => ({ system: of, code })) });
  }

  makeFirst() {
    const suggestion = this.suggestions[this.current];
    const code = suggestion && this.state.codes.find((candidate) => keyOf(candidate) === keyOf(suggestion));
    if (!code) return this.say("Accept the code first; then it can be made first-listed.");
    this.reorder(code.system, [code, ...this.state.codes.filter((other) => other.system === code.system && other !== code)]);
  }

  editCurrent() {
    const suggestion = this.suggestions[this.current];
    const code = suggestion && this.state.codes.find((candidate) => keyOf(candidate) === keyOf(suggestion));
    if (code) this.edit(code);
    else this.say("Only an assigned code has modifiers and units.");
  }

  async edit(code) {
    const modifiers = el("input", { name: "modifiers", value: (code.modifiers || []).join(" "), pattern: "([A-Za-z0-9]{2}( +[A-Za-z0-9]{2}){0,3})? *", autofocus: true });
    const units = el("input", { name: "units", type: "number", min: "1", max: "999", value: String(code.units || 1) });
    const { setting, claim } = this.state.encounter;
    const ofStay = code.system === "ICD-10-CM" && setting === "inpatient" && claim !== "professional";
    const admission = el("select", { name: "admission", autofocus: ofStay }, ADMISSION.map(([value, said]) => el("option", { value, selected: (code.present_on_admission || "") === value }, said)));
    const done = await dialog(this.root, `Modifiers and units of ${code.code}`, (close) =>
      el(
        "form",
        { method: "dialog", onsubmit: () => close(true) },
        ofStay && el("label", {}, "Present on admission", admission),
        el("label", {}, "Modifiers, two characters each, at most four", modifiers),
        el("label", {}, "Units", units),
        actions(close, "Set"),
      ),
    );
    if (!done) return;
    const more = { modifiers: modifiers.value.toUpperCase().split(/\s+/).filter(Boolean), units: Number(units.value), ...(admission.value ? { present_on_admission: admission.value } : {}) };
    this.decide([this.again(code, more)]);
  }

  /** Decide on a code anew, with what stands beside it; it rests on the same words as before. */
  again(code, more) {
    const index = this.suggestions.findIndex((suggestion) => keyOf(suggestion) === keyOf(code));
    const earlier = this.state.decisions.filter((decision) => keyOf(decision) === keyOf(code) && !decision.undone && decision.evidence).pop();
    const evidence = index < 0 && earlier ? { evidence: earlier.evidence } : {};
    return this.decision(index < 0 ? "add" : "accept", code, index < 0 ? null : index, "single", { ...more, ...evidence });
  }

  // ---- dialogs -------------------------------------------------------------------------------------------

  /**
   * A list to choose from by typing, arrows or a digit; resolves with the item. `ask(words)` gives the items
   * for what is typed; without it they are `items`. Choosing a code that is not billable shows what is below it.
   */
  choose(title, { items = [], ask = null, describe, hint = "Words or the beginning of a code", empty = "Type to search." }) {
    return dialog(this.root, title, (close) => {
      let shown = items;
      let at = 0;
      let asked = 0;
      const list = el("ol", { class: "ca-choices", role: "listbox", "aria-label": title, id: `${this.name}-choices` });
      const said = el("p", { class: "ca-empty", role: "status" });
      const take = (item) => {
        if (!ask || item.billable !== false) return close(item);
        input.value = item.code;
        return look();
      };
      const draw = () => {
        fill(
          list,
          shown.map((item, place) =>
            el(
              "li",
              { role: "option", id: `${this.name}-choice-${place}`, "aria-selected": String(place === at), onclick: () => take(item) },
              !ask && place < 9 ? el("kbd", { "aria-hidden": "true" }, String(place + 1)) : null,
              describe(item),
            ),
          ),
        );
        list.hidden = !shown.length;
        said.textContent = shown.length ? "" : input.value.trim() && ask ? "Nothing found." : ask ? empty : "";
        if (shown.length) input.setAttribute("aria-activedescendant", `${this.name}-choice-${at}`);
        else input.removeAttribute("aria-activedescendant");
        if (list.children[at]) reveal(list, list.children[at]);
      };
      const look = async () => {
        const turn = (asked += 1);
        let found = [];
        let trouble = "";
        try {
          if (input.value.trim()) found = await ask(input.value.trim());
        } catch (problem) {
          trouble = problem.message;
        }
        if (turn !== asked) return;
        // Below a header, what can be billed comes first; the header itself has been seen.
        shown = found.length > 1 && found[0].billable === false && found[0].code === input.value.trim() ? found.slice(1) : found;
        at = 0;
        draw();
        if (trouble) said.textContent = trouble;
      };
      const input = el("input", {
        type: "search",
        role: "combobox",
        "aria-expanded": "true",
        "aria-controls": `${this.name}-choices`,
        "aria-label": ask ? hint : title,
        placeholder: ask ? hint : "A digit or Enter takes one",
        autocomplete: "off",
        spellcheck: "false",
        autofocus: true,
      });
      let typing = null;
      let looking = null;
      input.addEventListener("input", () => {
        if (!ask) return;
        clearTimeout(typing);
        typing = setTimeout(() => {
          typing = null;
          looking = look();
        }, 90);
      });
      input.addEventListener("keydown", async (event) => {
        const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (by) {
          event.preventDefault();
          at = Math.min(Math.max(at + by, 0), Math.max(0, shown.length - 1));
          draw();
        } else if (event.key === "Escape") {
          // A browser would only empty a search field.
          event.preventDefault();
          close(undefined);
        } else if (event.key === "Enter") {
          event.preventDefault();
          if (typing !== null) {
            clearTimeout(typing);
            typing = null;
            looking = look();
          }
          await looking; // what is typed counts, not what was found for less of it
          if (shown[at]) take(shown[at]);
        } else if (!ask && /^[1-9]$/.test(event.key) && shown[Number(event.key) - 1]) {
          event.preventDefault();
          close(shown[Number(event.key) - 1]);
        }
      });
      draw();
      return el(
        "div",
        { class: "ca-chooser" },
        input,
        list,
        said,
        el("div", { class: "ca-actions" }, el("span", { class: "ca-hint-line" }, ask ? "↑ ↓ move, Enter takes a code or opens a header, Esc leaves" : "↑ ↓ move, Enter or a digit takes one, Esc leaves"), el("button", { type: "button", onclick: () => close(undefined) }, "Cancel")),
      );
    });
  }

  describeCode(item) {
    return [
      el("b", {}, item.code),
      el("span", { class: "ca-title" }, item.title),
      item.score > 0 ? el("span", { class: "ca-score" }, percent(item.score)) : null,
      item.billable === false ? el("span", { class: "ca-flag", title: "A header: choosing it shows what is below" }, "header ▸") : null,
      item.system && item.system !== "ICD-10-CM" ? el("span", { class: "ca-flag" }, item.system) : null,
    ];
  }

  async search() {
    const ask = async (words) => this.withTyped(words, await this.adapter.search(words));
    const code = await this.choose("Search a code", { ask, describe: (item) => this.describeCode(item) });
    if (code) this.addCode(code);
  }

  /** Whoever types a whole CPT or HCPCS code means it, even where no installed book has it. */
  withTyped(words, found) {
    const code = words.toUpperCase();
    const system = /^\d{4}[0-9A-Z]$/.test(code) ? "CPT" : /^[A-V]\d{4}$/.test(code) ? "HCPCS" : null;
    if (!system || found.some((item) => item.code === code)) return found;
    return [{ system, code, title: "as typed: no installed book has it", billable: true }, ...found];
  }

  /** Add a chosen code; if it was suggested and is undecided, that suggestion is accepted. */
  addCode(code, evidence = null) {
    const index = this.suggestions.findIndex((suggestion) => keyOf(suggestion) === keyOf(code));
    this.learnTitle(code);
    if (index >= 0 && !this.decided.has(index)) this.decide([this.decision("accept", this.suggestions[index], index, "search")]);
    else this.decide([this.decision("add", { system: code.system, code: code.code }, null, "search", evidence ? { evidence: [evidence] } : {})]);
    this.say(`${code.code} added.`);
    if (index >= 0 && index === this.current) this.advance();
  }

  learnTitle(code) {
    this.titles.set(keyOf(code), code.title);
  }

  async change() {
    const index = this.current;
    const suggestion = this.suggestions[index];
    if (!suggestion) return;
    const code = await this.choose(`Instead of ${suggestion.code}`, { ask: (words) => this.adapter.search(words, suggestion.system), describe: (item) => this.describeCode(item) });
    if (!code) return;
    this.learnTitle(code);
    this.decide([this.decision("replace", { system: code.system, code: code.code }, index, "search", { replaces: { system: suggestion.system, code: suggestion.code } })]);
    this.advance();
  }

  /** The selected words of a note, as a span in code points; `null` where none are selected. */
  selection() {
    const selected = window.getSelection();
    if (!selected || selected.isCollapsed) return null;
    const range = selected.getRangeAt(0);
    const text = (range.commonAncestorContainer.nodeType === Node.TEXT_NODE ? range.commonAncestorContainer.parentElement : range.commonAncestorContainer).closest(".ca-text");
    if (!text || !this.root.contains(text)) return null;
    const unit = (node, offset) => {
      const before = document.createRange();
      before.setStart(text, 0);
      before.setEnd(node, offset);
      return before.toString().length;
    };
    const offsets = this.offsets.get(text.dataset.note);
    return {
      note_id: text.dataset.note,
      start: offsets.point(unit(range.startContainer, range.startOffset)),
      end: offsets.point(unit(range.endContainer, range.endOffset)),
    };
  }

  /** While words of a note are selected, a button offers codes for them: a mouse and a finger need no key. */
  offerSelection() {
    if (!this.chip || !this.editable) return;
    const place = this.selection();
    if (!place) {
      this.chip.hidden = true;
      return;
    }
    this.selected = place;
    this.chip.hidden = false;
    const words = String(window.getSelection()).replace(/\s+/g, " ").trim();
    fill(
      this.chip,
      el(
        "button",
        { type: "button", class: "ca-primary", onmousedown: (event) => event.preventDefault(), onclick: () => this.codesFor(this.selected) },
        "Codes for “",
        words.length > 36 ? `${words.slice(0, 36)}…` : words,
        "”",
        this.keyHint("add"),
      ),
    );
  }

  /** By the keyboard alone: the words are looked for in the notes, and the place chosen. */
  findPlace() {
    const ask = async (words) => {
      const wanted = new RegExp(words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+"), "gi");
      return this.state.encounter.notes
        .flatMap((note) => [...note.text.matchAll(wanted)].map((match) => ({ note, start: match.index, end: match.index + match[0].length })))
        .slice(0, 30);
    };
    return this.choose("Words of the note to code", {
      ask,
      hint: "Words as they stand in the note",
      empty: "Type words of the note, or select them with the mouse and press the key again.",
      describe: ({ note, start, end }) => [el("span", { class: "ca-title" }, `…${this.wholeWords(note.text.slice(Math.max(0, start - 30), start), start > 30)}`, el("mark", {}, note.text.slice(start, end)), `${this.wholeWords(note.text.slice(end, end + 30), true, false)}…`)],
    });
  }

  async addFromSelection() {
    let place = this.selection();
    if (!place) {
      const found = await this.findPlace();
      if (!found) return;
      const offsets = this.offsets.get(found.note.id);
      place = { note_id: found.note.id, start: offsets.point(found.start), end: offsets.point(found.end) };
    }
    await this.codesFor(place);
  }

  async codesFor(place) {
    let found;
    try {
      found = await this.adapter.phrase(place);
    } catch (problem) {
      return this.warn(problem.message);
    }
    if (!found.length) {
      this.say("These words bring no code; search one instead.");
      return this.search();
    }
    const code = await this.choose("Codes for these words", { items: found, describe: (item) => this.describeCode(item) });
    if (code) {
      window.getSelection().removeAllRanges();
      this.addCode(code, place);
    }
    return null;
  }

  async bulk() {
    const open = this.suggestions.map((suggestion, index) => ({ suggestion, index })).filter(({ index }) => !this.decided.has(index));
    if (!open.length) return this.say("Every suggestion is decided already.");
    const slider = el("input", { type: "range", min: "0.3", max: "0.99", step: "0.01", value: "0.8", autofocus: true, "aria-label": "Lowest probability" });
    const list = el("ul", { class: "ca-rows ca-preview", tabindex: "0", "aria-label": "What will be accepted" });
    const head = el("p", { role: "status" });
    const at = el("output", { class: "ca-at" });
    const left = new Set();
    const above = () => open.filter(({ suggestion }) => suggestion.score >= Number(slider.value));
    const taken = () => above().filter(({ index }) => !left.has(index));
    const count = () => fill(head, el("b", {}, plural(taken().length, "code")), ` of ${percent(Number(slider.value))} or more will be accepted. Untick what should not be.`);
    const preview = () => {
      at.textContent = percent(Number(slider.value));
      count();
      fill(
        list,
        above().map(({ suggestion, index }) => {
          const tick = el("input", { type: "checkbox", checked: !left.has(index), "aria-label": `${suggestion.code} ${suggestion.title}` });
          tick.addEventListener("change", () => {
            if (tick.checked) left.delete(index);
            else left.add(index);
            count();
          });
          return el("li", { class: "ca-code" }, tick, this.describeCode(suggestion), this.snippet(suggestion));
        }),
      );
    };
    slider.addEventListener("input", preview);
    preview();
    const done = await dialog(this.root, "Accept all above a probability", (close) =>
      el("form", { method: "dialog", onsubmit: () => close(true) }, el("div", { class: "ca-range" }, slider, at), head, list, actions(close, "Accept these")),
    );
    if (!done || !taken().length) return null;
    const accepted = taken();
    this.decide(accepted.map(({ suggestion, index }) => this.decision("accept", suggestion, index, "bulk")));
    this.say(`${plural(accepted.length, "code")} accepted. ${this.shortcuts ? `${keyName(this.keys.undo[0])} takes them back together.` : ""}`);
    if (this.decided.has(this.current)) this.advance();
    return null;
  }

  /** The line of the note that evidence stands in, or as much around it as a query needs. */
  lineOf(evidence) {
    const note = this.state.encounter.notes.find((candidate) => candidate.id === this.noteOf(evidence));
    if (!note) return evidence.text;
    const offsets = this.offsets.get(note.id);
    const [start, end] = [offsets.unit(evidence.start), offsets.unit(evidence.end)];
    const from = Math.max(note.text.lastIndexOf("\n", start) + 1, start - 80);
    const to = Math.min(...[note.text.indexOf("\n", end), note.text.length].filter((place) => place >= 0), end + 80);
    const torn = { before: from > 0 && note.text[from - 1] !== "\n", after: to < note.text.length && note.text[to] !== "\n" };
    const line = this.wholeWords(note.text.slice(from, start), torn.before) + note.text.slice(start, end) + this.wholeWords(note.text.slice(end, to), torn.after, false);
    return `${torn.before ? "… " : ""}${line.trim().replace(/\s+/g, " ")}${torn.after ? " …" : ""}`;
  }

  async hold(finding = null) {
    if (this.options.practice) return;
    const queries = this.state.findings.filter((candidate) => candidate.query);
    const quoted = (from) => [...new Set(from.query.indicators.map((words) => this.lineOf(words)))].slice(0, 6).map((line) => `The record says: “${line}”`);
    const compose = (from) =>
      from
        ? [from.query.question, "", ...quoted(from), from.query.indicators.length ? "" : null, ...from.query.options.map((option) => `[ ] ${option}`)]
            .filter((line) => line !== null)
            .join("\n")
        : "";
    const text = el("textarea", { rows: "11", maxlength: "4000", required: true, autofocus: true });
    const from = finding && queries.includes(finding) ? finding : queries[0] || null;
    text.value = compose(from);
    text.setSelectionRange(0, 0);
    const pick = el(
      "select",
      { onchange: () => (text.value = compose(queries[Number(pick.value)] || null)) },
      queries.map((candidate, place) => el("option", { value: String(place), selected: candidate === from }, `${candidate.codes.map((c) => c.code).join(", ")}: ${candidate.message}`)),
      el("option", { value: "none" }, "a question of my own"),
    );
    if (!(await this.drained())) return this.warn("Some decisions are not saved yet; hold when the connection is back.");
    const done = await dialog(this.root, "Hold with a query to the provider", (close) =>
      el(
        "form",
        { method: "dialog", onsubmit: () => close(true) },
        el("p", { class: "ca-hint-line" }, "The encounter waits until the answer is there. Ask openly: name what the record shows, and lead to no answer."),
        queries.length ? el("label", {}, "Begin with", pick) : null,
        el("label", {}, "The query", text),
        actions(close, "Hold"),
      ),
    );
    if (!done || !text.value.trim()) return null;
    const chosen = queries[Number(pick.value)];
    return this.changeState(() => this.adapter.hold({ text: text.value, finding: chosen ? chosen.rule : null }, this.state.version), "On hold.");
  }

  async release() {
    const answer = el("textarea", { rows: "5", maxlength: "4000", autofocus: true });
    const done = await dialog(this.root, "Release from hold", (close) =>
      el(
        "form",
        { method: "dialog", onsubmit: () => close(true) },
        this.state.hold && el("blockquote", { class: "ca-quoted" }, this.state.hold.query),
        el("label", {}, "The provider's answer, if there is one", answer),
        actions(close, "Release"),
      ),
    );
    if (!done) return;
    await this.changeState(() => this.adapter.release(answer.value.trim() || null, this.state.version), "Released.");
  }

  reopen() {
    return this.changeState(() => this.adapter.reopen(this.state.version), "Open again.");
  }

  async changeState(ask, words) {
    try {
      await ask();
      await this.reload();
      this.focusRow(this.firstUndecided());
      this.say(words);
      this.emit("state", { state: this.state.encounter.state });
    } catch (problem) {
      if (["conflict", "state"].includes(problem.kind)) await this.failed(problem, {});
      else this.warn(problem.message);
    }
  }

  async submit() {
    if (!(await this.drained())) return this.warn("Some decisions are not saved yet; submit when the connection is back.");
    const blocking = this.state.findings.filter((finding) => finding.severity === "error");
    const stands = bySeverity(this.state.findings).filter((finding) => ["warning", "query"].includes(finding.severity));
    const open = this.suggestions.filter((suggestion, index) => suggestion.selected && !this.decided.has(index));
    const codes = this.state.codes;
    const word = this.options.submitLabel || "Submit";
    const done = await dialog(this.root, blocking.length ? `${plural(blocking.length, "error")} to mend first` : `${word} this encounter`, (close) => {
      // Mending leaves the dialog: the fix's own button has decided, and what is left to say is said anew.
      const list = blocking.length ? this.findingList(blocking, false) : null;
      if (list) list.addEventListener("click", (event) => event.target.closest("button") && close(undefined));
      return el(
        "form",
        { method: "dialog", onsubmit: () => close(blocking.length ? undefined : true) },
        list,
        el("p", {}, codes.length ? `${plural(codes.length, "code")} assigned:` : "No code is assigned. An encounter may be submitted so, if nothing is to be coded."),
        codes.length ? el("ol", { class: "ca-codelist", tabindex: "0", "aria-label": "Assigned codes" }, codes.map((code) => el("li", {}, el("b", {}, [code.code, ...(code.modifiers || [])].join("-"), code.units > 1 && ` ×${code.units}`), el("span", {}, code.title)))) : null,
        !blocking.length && stands.length ? el("p", { class: "ca-caution" }, el("span", { class: "ca-sign", "aria-hidden": "true" }, "▲"), " Stands unanswered: ", stands.map((finding) => finding.message).slice(0, 4).join(" · "), stands.length > 4 && ` · and ${stands.length - 4} more`) : null,
        open.length ? el("p", { class: "ca-caution" }, el("span", { class: "ca-sign", "aria-hidden": "true" }, "▲"), ` ${plural(open.length, "preselected suggestion")} undecided, not part of this: ${open.slice(0, 8).map((s) => s.code).join(", ")}${open.length > 8 ? " …" : ""}`) : null,
        blocking.length
          ? el(
              "div",
              { class: "ca-actions" },
              el("button", { type: "button", class: "ca-primary", autofocus: true, onclick: () => { close(undefined); this.show("findings"); } }, "Show the findings"),
              el("button", { type: "button", onclick: () => close(undefined) }, "Back"),
            )
          : actions(close, word, "Back"),
      );
    });
    if (!done) return null;
    try {
      const answer = await this.adapter.submit(this.state.version);
      if (!this.options.practice) {
        await this.reload();
        this.say("Submitted.");
      }
      this.emit("submitted", { strokes: this.strokes, decisions: this.decisions, answer });
    } catch (problem) {
      if (["conflict", "state"].includes(problem.kind)) await this.failed(problem, {});
      else if (problem.findings) {
        this.state.findings = problem.findings;
        this.show("findings");
        this.warn("Errors block the submission; they are listed under Findings.");
      } else this.warn(problem.message);
    }
    return null;
  }

  /** What each key does, and which key does it. */
  help() {
    return dialog(
      this.root,
      "Keys",
      (close) => {
        const said = el("p", { class: "ca-empty", role: "status" });
        const body = el("div", { class: "ca-keys" });
        const save = () => {
          if (this.options.saveKeys) this.options.saveKeys(Object.fromEntries(Object.entries(this.keys).filter(([name, keys]) => keys.join() !== DEFAULT_KEYS[name].join())), this.shortcuts);
          this.drawBanner();
          this.refreshRow(this.current);
        };
        const listen = (name, button) => {
          fill(button, "press a key …");
          const heard = (event) => {
            event.preventDefault();
            event.stopPropagation();
            if (["Shift", "Control", "Alt", "Meta", "AltGraph"].includes(event.key)) return;
            button.removeEventListener("keydown", heard);
            const taken = Object.keys(this.keys).find((other) => other !== name && this.keys[other].includes(event.key));
            if (event.key === "Escape" || event.key === "Tab") said.textContent = "Left as it was.";
            else if (/^[1-9]$/.test(event.key) || event.key === "Enter" || event.key === " ") said.textContent = "Digits choose alternatives and reasons, Enter and Space press buttons; choose another key.";
            else if (taken) said.textContent = `“${keyName(event.key)}” is for “${COMMANDS[taken]}” already.`;
            else {
              this.keys[name] = [event.key];
              said.textContent = `“${keyName(event.key)}” is now for “${COMMANDS[name]}”.`;
              save();
            }
            draw();
            const again = body.querySelector(`[data-key="${name}"]`);
            if (again) again.focus();
          };
          button.addEventListener("keydown", heard);
          button.addEventListener("blur", () => button.removeEventListener("keydown", heard), { once: true });
        };
        const row = (name) =>
          el(
            "tr",
            {},
            el("th", { scope: "row" }, COMMANDS[name]),
            el("td", {}, this.keys[name].map((key) => el("kbd", {}, keyName(key)))),
            this.options.saveKeys &&
              el("td", {}, el("button", { type: "button", dataset: { key: name }, "aria-label": `Change the key for: ${COMMANDS[name]}`, onclick: (event) => listen(name, event.currentTarget) }, "change")),
          );
        const draw = () =>
          fill(
            body,
            GROUPS.map(([title, names]) => el("table", {}, el("caption", {}, title), el("tbody", {}, names.map(row), title === "Decide" && el("tr", {}, el("th", { scope: "row" }, "take an alternative; after a rejection, its reason"), el("td", {}, el("kbd", {}, "1–9")), this.options.saveKeys && el("td", {}))))),
          );
        draw();
        const on = el("input", { type: "checkbox", checked: this.shortcuts });
        on.addEventListener("change", () => {
          this.shortcuts = on.checked;
          save();
        });
        return el(
          "div",
          {},
          body,
          said,
          el(
            "div",
            { class: "ca-actions" },
            el("button", { type: "button", class: "ca-primary", autofocus: true, onclick: () => close() }, "Close"),
            this.options.saveKeys && el("button", { type: "button", onclick: () => { this.keys = { ...DEFAULT_KEYS }; save(); draw(); said.textContent = "The keys are as they were at first."; } }, "Back to the defaults"),
            el("label", { class: "ca-tick" }, on, "Single-key shortcuts"),
          ),
        );
      },
      { wide: true },
    );
  }

  // ---- the other tabs ------------------------------------------------------------------------------------

  async claimView() {
    if (!(await this.drained())) throw new Error("The claim view shows what is saved; some decisions are not yet.");
    const claim = await this.adapter.claim();
    const rows = (lines, columns, empty) =>
      lines.length
        ? el(
            "table",
            { class: "ca-claim" },
            el("thead", {}, el("tr", {}, columns.map(([label]) => el("th", { scope: "col" }, label)))),
            el("tbody", {}, lines.map((line) => el("tr", {}, columns.map(([, value]) => el("td", {}, value(line) ?? ""))))),
          )
        : el("p", { class: "ca-empty" }, empty);
    const noticed = (list, severity) => (list || []).map((notice) => el("p", { class: `ca-finding ca-${severity}` }, el("span", { class: "ca-sign", "aria-hidden": "true" }, SIGNS[severity]), el("span", { class: "ca-said" }, el("b", {}, notice.codes.join(", ")), ` ${notice.message}`)));
    const procedures = claim.procedures || [];
    const diagnoses = claim.diagnoses || [];
    const pointed = (line) => (line.pointers || []).map((pointer) => (typeof pointer === "string" ? pointer : pointer.letter || pointer.code)).join(" ");
    const admission = diagnoses.some((line) => line.present_on_admission);
    return el(
      "div",
      { class: "ca-claim-view" },
      el("p", { class: "ca-empty" }, `As a ${claim.claim ? `${claim.claim} ` : ""}claim would carry it. No prices, no payer.`),
      noticed(claim.blocks, "error"),
      noticed(claim.cautions, "warning"),
      el("h2", { class: "ca-head" }, "Diagnoses"),
      rows(
        diagnoses,
        [
          ["#", (l) => el("b", {}, String(l.letter || l.pointer || l.sequence))],
          ["Code", (l) => el("b", {}, l.code)],
          ["Title", (l) => l.title],
          ...(admission ? [["POA", (l) => l.present_on_admission]] : []),
        ],
        "No diagnosis is assigned.",
      ),
      el("h2", { class: "ca-head" }, "Procedures and supplies"),
      rows(
        procedures,
        [
          ["Code", (l) => el("b", {}, l.code)],
          ["Title", (l) => l.title],
          ["Mod.", (l) => (l.modifiers || []).join(" ")],
          ["Units", (l) => String(l.units)],
          ["For", pointed],
        ],
        "No procedure is assigned.",
      ),
      (claim.left_over || []).length > 0 && [el("h2", { class: "ca-head" }, "Not on this claim"), el("ul", {}, claim.left_over.map((line) => el("li", {}, el("b", {}, line.code), ` ${line.reason}`)))],
    );
  }

  async historyView() {
    const events = await this.adapter.history();
    const comments = (this.state.comments || []).map((comment) => ({ at: comment.at, actor: comment.by, action: "comment", text: comment.text }));
    const all = [...events.filter((event) => !(event.action === "encounter.comment" && comments.length)), ...comments].sort((a, b) => (a.at < b.at ? 1 : -1));
    const text = el("textarea", { rows: "2", maxlength: "4000", "aria-label": "A comment", placeholder: "A comment for whoever opens this encounter" });
    const send = async (event) => {
      event.preventDefault();
      if (!text.value.trim()) return;
      try {
        await this.drained();
        await this.adapter.comment(text.value.trim());
        await this.reload();
      } catch (problem) {
        this.warn(problem.message);
      }
    };
    let day = "";
    return [
      this.adapter.comment && el("form", { class: "ca-comment", onsubmit: send }, text, el("button", { type: "submit" }, "Comment")),
      el(
        "ol",
        { class: "ca-history" },
        all.map((event) => {
          const at = new Date(event.at);
          const today = at.toLocaleDateString([], { dateStyle: "long" });
          const head = today === day ? null : el("li", { class: "ca-day" }, today);
          day = today;
          return [
            head,
            el(
              "li",
              {},
              el("time", { datetime: event.at }, at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })),
              el("span", {}, el("b", {}, event.actor), ` ${this.eventWords(event)}`, event.text && el("q", { class: "ca-said-words" }, event.text)),
            ),
          ];
        }),
      ),
    ];
  }

  /** An event of the history in words; its details are ids, codes and counts, never text of a note. */
  eventWords(event) {
    const details = event.details || {};
    const reasonOf = (id) => (this.state.decisions.find((decision) => decision.id === id) || {}).reason;
    const why = (id, verdict) => (verdict === "reject" && reasonOf(id) ? ` (${reasonWords(reasonOf(id))})` : "");
    const made = ({ id, verdict, code, replaces, undoes }) => `${undoes ? "undid:" : ""} ${(MARKS[verdict] || ["", spoken(verdict)])[1]} ${replaces && replaces !== code ? `${replaces} by ` : ""}${code}${undoes ? "" : why(id, verdict)}`.trim();
    const codes = Array.isArray(details.decisions) ? details.decisions.map(made).join(", ") : "";
    if (codes && event.action.endsWith("decide")) return codes;
    const action = EVENTS[event.action] || spoken(event.action.split(".").pop());
    const plain = Object.entries(details)
      .filter(([name, value]) => ["string", "number"].includes(typeof value) && !["record", "version", "via", "run", "pack"].includes(name) && String(value).length < 60)
      .map(([name, value]) => `${spoken(name)} ${value}`)
      .join(", ");
    const more = codes || plain;
    return event.action === "comment" ? "commented" : more ? `${action}: ${more}` : action;
  }
}
