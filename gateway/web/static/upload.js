/**
 * The upload page: `/-/upload#token=…`, optionally with `&bucket=` and `&prefix=`.
 *
 * The token is a JWT of Sluice's (`sluice sign PUT BUCKET/FOLDER/ --page` makes one, and the link). It is taken out of the
 * address at once and kept in sessionStorage. What is read from its claims here is for convenience: the server decides.
 */
import { Upload, forget, target, unfinished } from "./sluice.js";

/** Uploads that send at the same time. A browser opens six connections to a server of HTTP/1.1. */
const AT_ONCE = 3;
const KEPT = "sluice.upload-page";

/** @typedef {{bucket?: string, prefix?: string, key?: string, exp?: number, max_size?: number, sub?: string}} Claims */

/** @template {HTMLElement} T @param {string} id @returns {T} */
const element = (id) => /** @type {T} */ (document.getElementById(id));

const form = {
  bucket: /** @type {HTMLInputElement} */ (element("bucket")),
  prefix: /** @type {HTMLInputElement} */ (element("prefix")),
  token: /** @type {HTMLInputElement} */ (element("token")),
};
const details = /** @type {HTMLDetailsElement} */ (element("details"));
const news = element("news");
const problem = element("place-problem");
/** @type {Set<Row>} */
const rows = new Set();

/** What a token says; nothing where it is none. @param {string} token @returns {Claims} */
function claimsOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" && claims !== null ? claims : {};
  } catch {
    return {};
  }
}

/** @param {number} bytes */
function sized(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const step = bytes < 1024 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  const digits = step === 0 || bytes / 1024 ** step >= 100 ? 0 : 1;
  return `${(bytes / 1024 ** step).toFixed(digits)} ${units[step]}`;
}

/** @param {number} seconds */
function lasting(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** Tell those who can't see the bars. @param {string} text */
function tell(text) {
  news.textContent = text;
}

/** Take over a link, or what this tab kept of one. */
function arrive() {
  const link = new URLSearchParams(location.hash.slice(1));
  let kept = { token: "", bucket: "", prefix: "" };
  try {
    kept = { ...kept, ...JSON.parse(sessionStorage.getItem(KEPT) ?? "{}") };
  } catch {
    // not ours: as if nothing was kept
  }
  if (link.size > 0) {
    // A link stands for itself: what an older one said must not be mixed into it.
    kept = { token: link.get("token") ?? "", bucket: link.get("bucket") ?? "", prefix: link.get("prefix") ?? "" };
    history.replaceState(null, "", location.pathname); // no token in the history, nor in a copied address
  }
  for (const [name, input] of Object.entries(form)) input.value = kept[/** @type {keyof typeof kept} */ (name)];
  const claims = settle();
  // Whoever comes by a link has nothing to fill in.
  details.open = claims.bucket === undefined || (claims.exp ?? Infinity) * 1000 <= Date.now();
}

/** Follow the token: it knows its bucket, and what it is good for. Answers its claims. */
function settle() {
  const claims = claimsOf(form.token.value.trim());
  if (claims.bucket !== undefined) form.bucket.value = claims.bucket;
  form.bucket.readOnly = claims.bucket !== undefined;
  const folder = claims.key ?? claims.prefix;
  if (folder !== undefined && !(form.prefix.value.startsWith(folder) && claims.key === undefined)) form.prefix.value = folder;
  form.prefix.readOnly = claims.key !== undefined;
  const parts = [];
  if (claims.key !== undefined) parts.push(`One file, stored as ${claims.bucket}/${claims.key}.`);
  else if (claims.prefix) parts.push(`Into ${claims.bucket}/${claims.prefix}.`);
  if (claims.max_size !== undefined) parts.push(`${sized(claims.max_size)} each at most.`);
  if (claims.exp !== undefined) {
    const until = new Date(claims.exp * 1000);
    const when = until.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    const over = until.getTime() <= Date.now();
    parts.push(over ? `The token expired on ${when}: ask for a new one.` : `Uploads can begin until ${when}.`);
  }
  element("summary").textContent = parts.join(" ");
  try {
    const { token, bucket, prefix } = form;
    sessionStorage.setItem(KEPT, JSON.stringify({ token: token.value.trim(), bucket: bucket.value, prefix: prefix.value }));
  } catch {
    // storage is switched off: the fields are there as long as the page
  }
  return claims;
}

/** Where a file goes; null, and a problem shown, where that can't be told. @param {File} file */
function placeOf(file) {
  const claims = claimsOf(form.token.value.trim());
  const bucket = form.bucket.value.trim();
  problem.textContent = "";
  if (bucket === "") {
    problem.textContent = "Say which bucket the files go to, or open the link that you were given.";
    details.open = true;
    form.bucket.focus();
    return null;
  }
  const folder = form.prefix.value.trim().replace(/^\/+/, "");
  const key = claims.key ?? (folder === "" || folder.endsWith("/") ? folder : `${folder}/`) + file.name;
  return { bucket, key, url: target(bucket, key), maxSize: claims.max_size ?? null };
}

/** One file on the page. */
class Row {
  #acted = false; // whether the person here, rather than the page, paused it

  /** @param {File} file @param {{bucket: string, key: string, url: string, maxSize: number|null}} place */
  constructor(file, place) {
    const template = /** @type {HTMLTemplateElement} */ (element("upload"));
    const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    this.item = /** @type {HTMLElement} */ (fragment.firstElementChild);
    this.file = file;
    this.label = file.name;
    this.upload = new Upload(file, {
      url: place.url,
      owner: claimsOf(form.token.value.trim()).sub ?? "",
      headers: () => {
        const token = form.token.value.trim();
        /** @type {Record<string, string>} */
        const headers = token === "" ? {} : { Authorization: `Bearer ${token}` };
        return headers;
      },
    });
    this.tooLarge = place.maxSize !== null && file.size > place.maxSize ? place.maxSize : null;
    this.queued = this.tooLarge === null;
    this.#part("name").textContent = `${place.bucket}/${place.key}`;
    this.#part("size").textContent = sized(file.size);
    this.#part("progress").setAttribute("aria-label", `Progress of ${this.label}`);
    for (const [name, act] of /** @type {[string, () => void][]} */ ([
      ["pause", () => this.pause()],
      ["resume", () => this.resume()],
      ["cancel", () => void this.cancel()],
      ["dismiss", () => this.dismiss()],
    ])) {
      const button = this.#part(name);
      button.setAttribute("aria-label", `${button.textContent} ${this.label}`);
      button.addEventListener("click", act);
    }
    this.upload.addEventListener("progress", () => this.show());
    this.upload.addEventListener("state", () => {
      this.show();
      next();
    });
    this.upload.addEventListener("done", () => tell(`${this.label} is uploaded.`));
    this.upload.addEventListener("error", () => tell(`${this.label} failed. ${this.upload.error?.message ?? ""}`));
    element("uploads").append(this.item);
    this.show();
  }

  get sending() {
    return ["starting", "sending", "waiting"].includes(this.upload.state);
  }

  get over() {
    return ["done", "aborted"].includes(this.upload.state) || this.tooLarge !== null;
  }

  begin() {
    this.queued = false;
    void this.upload.start().catch(() => undefined); // shown by its events
  }

  pause() {
    if (this.over || this.upload.state === "failed") return;
    this.#acted = true;
    this.queued = false;
    this.upload.pause();
    this.show();
    tell(`${this.label} is paused.`);
  }

  resume() {
    if (this.over || this.sending) return;
    this.#acted = false;
    this.queued = true;
    this.show();
    next();
  }

  async cancel() {
    this.queued = false;
    const cancelled = this.upload.abort();
    this.show();
    tell(`${this.label} is cancelled.`);
    await cancelled;
  }

  dismiss() {
    rows.delete(this);
    this.item.remove();
    element("running").hidden = rows.size === 0;
    element("files").focus();
  }

  show() {
    const { state, progress } = this.upload;
    const bar = /** @type {HTMLProgressElement} */ (this.#part("progress"));
    bar.value = progress.total === 0 ? (state === "done" ? 1 : 0) : progress.sent / progress.total;
    this.item.dataset.state = this.queued ? "queued" : state;
    this.item.dataset.acknowledged = String(progress.acknowledged);
    this.#part("state").textContent = this.#story();
    this.#part("problem").textContent =
      this.tooLarge !== null
        ? `Your token is for files of ${sized(this.tooLarge)} at most. Ask for another, or choose a smaller file.`
        : (this.upload.error?.message ?? "");
    const stopped = !this.over && !this.queued && !this.sending;
    this.#part("pause").hidden = !(this.sending || this.queued);
    this.#part("resume").hidden = !stopped;
    this.#part("cancel").hidden = this.over;
    this.#part("dismiss").hidden = !this.over;
  }

  #story() {
    const { state, progress, waiting } = this.upload;
    const percent = progress.total === 0 ? 0 : Math.floor((progress.sent / progress.total) * 100);
    if (this.tooLarge !== null) return "Too large";
    if (this.queued) return "Waiting for its turn";
    switch (state) {
      case "sending": {
        const parts = [`${percent} %`];
        if (progress.rate > 0) parts.push(`${sized(progress.rate)}/s`);
        if (progress.eta !== null) parts.push(`${lasting(progress.eta)} left`);
        return parts.join(" · ");
      }
      case "waiting":
        if (waiting?.reason === "offline") return `${percent} % · No network; goes on by itself`;
        if (waiting?.reason === "elsewhere") return "Another tab is sending this file";
        return `${percent} % · ${waiting?.error?.message ?? ""}`;
      case "paused":
        return `${percent} % · Paused`;
      case "failed":
        return `${percent} % · Failed`;
      case "done":
        return "Done";
      case "aborted":
        return "Cancelled";
      default:
        return this.#acted ? "Paused" : "Starting";
    }
  }

  /** @param {string} name of a class or an element @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.item.querySelector(name === "progress" ? name : `.${name}`));
  }
}

/** Begin what waits for its turn. */
function next() {
  const running = [...rows].filter((row) => row.sending).length;
  for (const row of [...rows].filter((one) => one.queued).slice(0, Math.max(0, AT_ONCE - running))) row.begin();
}

/** @param {Iterable<File>} files */
function add(files) {
  let count = 0;
  for (const file of files) {
    const place = placeOf(file);
    if (place === null) return;
    const row = new Row(file, place);
    const twin = [...rows].find((one) => !one.over && one.upload.fingerprint === row.upload.fingerprint);
    if (twin !== undefined) {
      row.item.remove(); // chosen twice: once is enough
      twin.resume();
      continue;
    }
    rows.add(row);
    count += 1;
  }
  element("running").hidden = rows.size === 0;
  if (count > 0) tell(count === 1 ? "1 file added." : `${count} files added.`);
  next();
  void showUnfinished();
}

/** What can go on when its file is chosen again. */
async function showUnfinished() {
  const list = element("unfinished-list");
  const here = new Set([...rows].map((row) => row.upload.fingerprint));
  const left = (await unfinished()).filter((one) => one.url !== null && !here.has(one.fingerprint));
  const template = /** @type {HTMLTemplateElement} */ (element("left"));
  list.replaceChildren(
    ...left.map((one) => {
      const item = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
      const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (item.querySelector(name));
      part(".name").textContent = decodeURIComponent(new URL(one.target).pathname.replace(/^.*\/-\/uploads\//, ""));
      part(".size").textContent = sized(one.size);
      const bar = /** @type {HTMLProgressElement} */ (part("progress"));
      bar.value = one.size === 0 ? 0 : one.acknowledged / one.size;
      bar.setAttribute("aria-label", `Progress of ${one.name}`);
      part(".state").textContent = `${sized(one.acknowledged)} are kept by the server.`;
      part(".forget").setAttribute("aria-label", `Forget ${one.name}`);
      part(".forget").addEventListener("click", async () => {
        await forget(one);
        tell(`${one.name} is forgotten.`);
        await showUnfinished();
      });
      return item;
    }),
  );
  element("unfinished").hidden = left.length === 0;
}

for (const input of Object.values(form)) input.addEventListener("input", settle);
element("place").addEventListener("submit", (event) => event.preventDefault());
element("pause-all").addEventListener("click", () => rows.forEach((row) => row.pause()));
element("resume-all").addEventListener("click", () => rows.forEach((row) => row.resume()));
const chooser = /** @type {HTMLInputElement} */ (element("files"));
chooser.addEventListener("change", () => {
  add(chooser.files ?? []);
  chooser.value = ""; // so that the same file can be chosen again
});

let over = 0; // how deep in the page's elements a drag is
for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
  addEventListener(type, (event) => {
    const drag = /** @type {DragEvent} */ (event);
    if (!drag.dataTransfer?.types.includes("Files")) return;
    drag.preventDefault(); // or the browser would open the file
    if (type === "dragenter") over += 1;
    if (type === "dragleave") over -= 1;
    if (type === "drop") {
      over = 0;
      add([...drag.dataTransfer.items].flatMap((item) => (item.webkitGetAsEntry?.()?.isDirectory ? [] : (item.getAsFile() ?? []))));
    }
    document.body.classList.toggle("over", over > 0);
  });
}
addEventListener("beforeunload", (event) => {
  if ([...rows].some((row) => row.sending)) event.preventDefault();
});
addEventListener("hashchange", arrive);

arrive();
void showUnfinished();
