/**
 * Upload a File or a Blob to Sluice so that it survives anything: lost networks, reloads, restarts of the gateway.
 *
 *     import { Upload, target } from "https://files.example.org/-/static/sluice.js";
 *
 *     const upload = new Upload(file, {
 *       url: target("photos", "inbox/cat.jpg"),
 *       headers: { Authorization: `Bearer ${token}` },
 *     });
 *     upload.addEventListener("progress", () => show(upload.progress));
 *     await upload.start(); // pause(), resume() and abort() at any time
 *
 * It speaks tus 1.0 (https://tus.io/protocols/resumable-upload). The credential is needed to begin only: the
 * upload's own URL is a capability, so signed URLs and tokens may expire meanwhile. That URL is remembered in
 * IndexedDB until the upload is done, aborted or expired; who gives the same file for the same target again, also
 * after a reload, goes on where the server is. Bytes that the server acknowledged are not sent again.
 *
 * One module, no dependency, no build step.
 *
 * @module sluice
 */

const KiB = 1024;
const MiB = 1024 * KiB;
const TUS = { "Tus-Resumable": "1.0.0" };
/** How long, in ms, a connection may stand still. */
const STALL = 30_000;
/** How often one upload may begin anew because the server knows it no more. */
const MAX_RESTARTS = 5;
/** Longest wait, in ms, for an "online" event before trying all the same: browsers are sometimes wrong about it. */
const OFFLINE_PATIENCE = 30_000;
/** After the device changed networks, a request may stand still for this share of the usual time. */
const CHANGED_PATIENCE = 1 / 6;
/** How long, in ms, what a server said about its limits is trusted, and how long we wait to be told. */
const LIMITS_FRESH = 10 * 60_000;
const LIMITS_PATIENCE = 5_000;
/** How long, in ms, an upload is remembered whose expiry the server did not tell. */
const DEFAULT_LIFE = 24 * 3600_000;

/**
 * @typedef {"idle"|"starting"|"sending"|"waiting"|"paused"|"done"|"failed"|"aborted"} State
 *
 * @typedef {object} Progress Sizes in bytes.
 * @property {number} total the file's size
 * @property {number} sent handed to the network
 * @property {number} acknowledged kept by the server, whatever happens now
 * @property {number} rate bytes per second over the last seconds; 0 while nothing moves
 * @property {number|null} eta seconds to go, null while that can't be told
 *
 * @typedef {object} Waiting
 * @property {"offline"|"retry"|"elsewhere"} reason no network; a failure; another tab sends this file
 * @property {number|null} until when it goes on, ms since the epoch
 * @property {SluiceError|null} error what failed
 *
 * @typedef {object} Remembered An upload that can go on.
 * @property {string} fingerprint
 * @property {string} target where it was begun: origin and path
 * @property {string} name the file's
 * @property {number} size bytes
 * @property {string} attempt makes a repeated creation the same upload
 * @property {string|null} url the upload's; null while the server has not answered the creation
 * @property {number} acknowledged bytes
 * @property {number} expires ms since the epoch
 *
 * @typedef {object} Records Where uploads are remembered.
 * @property {(fingerprint: string) => Promise<Remembered|undefined>} get
 * @property {(record: Remembered) => Promise<void>} put
 * @property {(fingerprint: string) => Promise<void>} remove
 * @property {() => Promise<Remembered[]>} all
 *
 * @typedef {object} Options
 * @property {string|URL} url where uploads of this object begin: see {@link target}
 * @property {Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>)} [headers]
 *   the credential, asked for when an upload begins
 * @property {Record<string, string>} [metadata] goes into the object's metadata; filename and filetype come from the file
 * @property {string} [owner] keeps what is remembered apart where several people share a browser
 * @property {string} [fingerprint] identifies the content; needed to remember a Blob that is no File
 * @property {Records|null} [records] null: remember nothing beyond this page
 * @property {{min?: number, max?: number, initial?: number, seconds?: number}} [chunk] bytes, and how long one shall take
 * @property {{base?: number, cap?: number, limit?: number}} [retry] ms, ms, and how many failures in a row without
 *   progress are too many
 * @property {number} [stall] ms without any progress after which a connection is given up
 * @property {number} [patience] ms that the server may take to answer after the last byte
 *
 * @typedef {{max: number|null, maxAppend: number|null, minAppend: number|null}} Limits Bytes.
 */

/** What went wrong, and what to do about it. */
export class SluiceError extends Error {
  /**
   * @param {string} code stable, for programs
   * @param {string} message what happened
   * @param {{remedy?: string, status?: number, retryable?: boolean, retryAfter?: number|null, cause?: unknown}} [more]
   */
  constructor(code, message, more = {}) {
    super(more.remedy ? `${message} ${more.remedy}` : message, { cause: more.cause });
    this.name = "SluiceError";
    this.code = code;
    /** What to do. */
    this.remedy = more.remedy ?? "";
    /** The HTTP status, 0 where there was none. */
    this.status = more.status ?? 0;
    /** Whether the same may succeed later. */
    this.retryable = more.retryable ?? false;
    /** What the server asked to wait, in ms. */
    this.retryAfter = more.retryAfter ?? null;
  }
}

/**
 * The URL at which uploads of an object begin.
 *
 * @param {string} bucket
 * @param {string} key
 * @param {string|URL} [endpoint] the gateway; left out, the one that this module came from
 * @returns {string}
 */
export function target(bucket, key, endpoint = new URL("../..", import.meta.url)) {
  const path = [bucket, ...key.split("/")].map(encodeURIComponent).join("/");
  return `${String(endpoint).replace(/\/+$/, "")}/-/uploads/${path}`;
}

/**
 * What tells one file for one target from all others; null for a Blob that was given no name to go by.
 *
 * @param {Blob} file
 * @param {string|URL} url
 * @param {{owner?: string, fingerprint?: string}} [more]
 * @returns {string|null}
 */
export function fingerprintOf(file, url, more = {}) {
  const { name, lastModified } = /** @type {File} */ (file);
  const identity = more.fingerprint ?? (name === undefined ? null : [name, lastModified]);
  if (identity === null) return null;
  const { origin, pathname } = new URL(url); // a signature in the query differs from time to time
  return JSON.stringify(["sluice", 1, origin + pathname, more.owner ?? "", file.size, identity]);
}

/**
 * Exponential back-off with full jitter: anything between 0 and the doubled delay.
 *
 * @param {number} failures in a row, from 1
 * @param {{base?: number, cap?: number, random?: () => number}} [more] ms
 * @returns {number} ms
 */
export function backoff(failures, { base = 500, cap = 30_000, random = Math.random } = {}) {
  return Math.round(random() * Math.min(cap, base * 2 ** Math.min(failures, 30)));
}

/**
 * Read Retry-After: seconds or a date.
 *
 * @param {string|null} text
 * @param {number} [now] ms since the epoch
 * @returns {number|null} ms from now, a day at most; null where it says nothing
 */
export function readRetryAfter(text, now = Date.now()) {
  if (text === null || text.trim() === "") return null;
  const wait = /^\s*\d+\s*$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(wait) ? null : Math.min(Math.max(wait, 0), 24 * 3600_000);
}

/**
 * Read the limits that an answer announces: Upload-Limit (IETF) and Tus-Max-Size.
 *
 * @param {(name: string) => string|null} header
 * @returns {Limits}
 */
export function readLimits(header) {
  const told = new Map(
    (header("Upload-Limit") ?? "")
      .split(",")
      .map((item) => /^\s*([a-z-]+)=(\d{1,15})\s*$/.exec(item))
      .filter((found) => found !== null)
      .map((found) => [found[1], Number(found[2])]),
  );
  const whole = [told.get("max-size"), wholeNumber(header("Tus-Max-Size"))].filter((size) => size != null);
  return {
    max: whole.length ? Math.min(.../** @type {number[]} */ (whole)) : null,
    maxAppend: told.get("max-append-size") ?? null,
    minAppend: told.get("min-append-size") ?? null,
  };
}

/**
 * How many bytes the next request carries: so many that it takes about `seconds` at the measured rate. One size
 * fits neither a phone in a train nor a wire: long requests lose more when they break, short ones wait more often.
 */
export class ChunkSizer {
  /** @param {{min?: number, max?: number, initial?: number, seconds?: number}} [options] bytes */
  constructor({ min = 256 * KiB, max = 256 * MiB, initial = 2 * MiB, seconds = 10 } = {}) {
    this.min = Math.min(min, max);
    this.max = max;
    this.seconds = seconds;
    this.size = Math.min(Math.max(initial, this.min), max);
  }

  /** Keep to what the server takes. @param {Limits} limits */
  limit({ maxAppend, minAppend }) {
    if (minAppend !== null) this.min = Math.max(this.min, minAppend);
    if (maxAppend !== null) this.max = Math.min(this.max, maxAppend);
    this.min = Math.min(this.min, this.max);
    this.size = Math.min(Math.max(this.size, this.min), this.max);
  }

  /** So many bytes were acknowledged after so many ms. @param {number} bytes @param {number} ms */
  succeeded(bytes, ms) {
    if (bytes < this.size / 2) return; // a short last chunk says little about the rate
    const wanted = (bytes / Math.max(ms, 1)) * 1000 * this.seconds;
    this.#set(Math.min(Math.max(wanted, this.size / 2), this.size * 4));
  }

  /** Nothing of a chunk was acknowledged. Answers whether a smaller one can be tried. */
  failed() {
    const before = this.size;
    this.#set(this.size / 2);
    return this.size < before;
  }

  /** @param {number} size */
  #set(size) {
    const even = size >= MiB ? Math.floor(size / MiB) * MiB : Math.floor(size);
    this.size = Math.min(Math.max(even, this.min), this.max);
  }
}

/** The rate over the last seconds, and from it the time to go. Times in ms. */
export class RateMeter {
  /** @type {{at: number, bytes: number}[]} */
  #samples = [];

  /** @param {number} [window] */
  constructor(window = 8_000) {
    this.window = window;
  }

  /** So many bytes were gone at a time. @param {number} bytes @param {number} at */
  add(bytes, at) {
    const last = this.#samples.at(-1);
    if (last && bytes < last.bytes) this.#samples = []; // some have to be sent again
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && this.#samples[1].at < at - this.window) this.#samples.shift();
  }

  /** Forget: nothing moves now. */
  stop() {
    this.#samples = [];
  }

  /** Bytes per second; 0 where nothing is known. @param {number} now */
  rate(now) {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || last.at - first.at < 200) return 0;
    return ((last.bytes - first.bytes) / Math.max(now - first.at, 1)) * 1000;
  }

  /** Seconds for so many bytes; null where that can't be told. @param {number} bytes @param {number} now */
  eta(bytes, now) {
    const rate = this.rate(now);
    return bytes === 0 ? 0 : rate > 0 ? bytes / rate : null;
  }
}

/**
 * What an answer other than the wanted one means.
 *
 * @param {"create"|"ask"|"append"|"cancel"} step
 * @param {number} status
 * @param {string} text the answer's body
 * @param {number|null} [retryAfter] ms
 * @returns {SluiceError}
 */
export function judge(step, status, text, retryAfter = null) {
  const said = detailOf(text);
  /** @type {(code: string, message: string, remedy: string, retryable?: boolean) => SluiceError} */
  const make = (code, message, remedy, retryable = false) =>
    new SluiceError(code, said || message, { remedy, status, retryable, retryAfter });
  const known = step !== "create";
  if (known && (status === 404 || status === 410)) {
    return make("gone", "The server knows this upload no more.", "Begin it anew.", true);
  }
  if (known && status === 409 && !text.includes("object-exists")) {
    return make("conflict", "The server is at another offset.", "It will be asked.", true);
  }
  if (known && status === 413) {
    return make("chunk-too-large", "A request was too large for the server.", "Smaller ones are tried.", true);
  }
  if (status === 429 || status === 503 || status === 423) {
    return make("busy", "The server is busy.", "It is tried again by itself.", true);
  }
  if (status === 408 || status === 425 || (status >= 500 && status !== 501 && status !== 505)) {
    return make("server", `The server failed (HTTP ${status}).`, "It is tried again by itself.", true);
  }
  if (known && (status === 401 || status === 403)) {
    return make("revoked", "The server refuses to go on with this upload.", "Ask for a new link or token, and begin anew.");
  }
  switch (status) {
    case 401:
    case 403:
      return make("credential", "The server did not accept the credential.", "Ask for a new link or token for this place, then resume.");
    case 404:
      return make("no-such-place", "There is no such bucket.", "Check the bucket's name.");
    case 409:
    case 412:
      return make("exists", "There is an object of this name, and it may not be replaced.", "Choose another name.");
    case 413:
      return make("too-large", "The file is larger than the server takes.", "Choose a smaller file, or ask for a higher limit.");
    case 415:
      return make("type", "Files of this type are not taken here.", "Choose a file of another type.");
    default:
      return make("refused", `The server refused the upload (HTTP ${status}).`, "Check the address.");
  }
}

/** The sentence that an error's body has for people: of Sluice's text, or of problem+json. @param {string} text */
function detailOf(text) {
  if (text.startsWith("{")) {
    try {
      const { detail, title } = JSON.parse(text);
      return String(detail ?? title ?? "").slice(0, 300);
    } catch {
      return "";
    }
  }
  const first = text.split("\n", 1)[0].trim();
  return first.startsWith("<") ? "" : first.slice(0, 300);
}

/** @param {string|null} text @returns {number|null} */
function wholeNumber(text) {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** Upload-Metadata: names, and values in base64 of UTF-8. @param {Record<string, string>} pairs */
export function writeMetadata(pairs) {
  const base64 = (/** @type {string} */ text) =>
    btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
  return Object.entries(pairs)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name} ${base64(value)}`)
    .join(",");
}

/**
 * Records in memory: as long as the page. Also what is used where a browser has no IndexedDB.
 *
 * @implements {Records}
 */
export class MemoryRecords {
  /** @type {Map<string, Remembered>} */
  #records = new Map();
  /** @param {string} fingerprint */
  async get(fingerprint) {
    return this.#records.get(fingerprint);
  }
  /** @param {Remembered} record */
  async put(record) {
    this.#records.set(record.fingerprint, record);
  }
  /** @param {string} fingerprint */
  async remove(fingerprint) {
    this.#records.delete(fingerprint);
  }
  async all() {
    return [...this.#records.values()];
  }
}

/**
 * Records in IndexedDB: they outlive the page. Where it fails (private windows, a full disk) they are kept in memory.
 *
 * @implements {Records}
 */
export class IndexedRecords {
  #fallback = new MemoryRecords();
  /** @type {Promise<IDBDatabase>|null} */
  #database = null;

  /** @param {string} [name] the database's */
  constructor(name = "sluice") {
    this.name = name;
  }

  /** @param {string} fingerprint @returns {Promise<Remembered|undefined>} */
  async get(fingerprint) {
    return (await this.#try("readonly", (store) => store.get(fingerprint))) ?? this.#fallback.get(fingerprint);
  }

  /** @param {Remembered} record */
  async put(record) {
    if ((await this.#try("readwrite", (store) => store.put(record))) === undefined) await this.#fallback.put(record);
  }

  /** @param {string} fingerprint */
  async remove(fingerprint) {
    await this.#fallback.remove(fingerprint);
    await this.#try("readwrite", (store) => store.delete(fingerprint));
  }

  /** @returns {Promise<Remembered[]>} */
  async all() {
    const found = /** @type {Remembered[]|undefined} */ (await this.#try("readonly", (store) => store.getAll()));
    return [...(found ?? []), ...(await this.#fallback.all())];
  }

  /**
   * One transaction; undefined where it failed.
   *
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest} act
   * @returns {Promise<any>}
   */
  async #try(mode, act) {
    try {
      this.#database ??= this.#open();
      const transaction = (await this.#database).transaction("uploads", mode);
      const request = act(transaction.objectStore("uploads"));
      return await new Promise((resolve, reject) => {
        transaction.oncomplete = () => resolve(request.result);
        transaction.onabort = () => reject(transaction.error);
      });
    } catch {
      this.#database = null;
      return undefined;
    }
  }

  /** @returns {Promise<IDBDatabase>} */
  #open() {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(this.name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore("uploads", { keyPath: "fingerprint" });
      request.onerror = request.onblocked = () => reject(request.error);
      request.onsuccess = () => {
        request.result.onversionchange = () => request.result.close();
        request.result.onclose = () => (this.#database = null);
        resolve(request.result);
      };
    });
  }
}

/** Where uploads are remembered unless told otherwise. @type {Records} */
export const remembered = new IndexedRecords();

/**
 * Uploads that can go on when their file is given again. Those that are expired are forgotten.
 *
 * @param {Records} [records]
 * @param {number} [now] ms since the epoch
 */
export async function unfinished(records = remembered, now = Date.now()) {
  const all = await records.all();
  await Promise.all(all.filter((one) => one.expires <= now).map((one) => records.remove(one.fingerprint)));
  return all.filter((one) => one.expires > now);
}

/**
 * Give up an upload of {@link unfinished}: at the server too, as far as it can be reached.
 *
 * @param {Remembered} record
 * @param {Records} [records]
 */
export async function forget(record, records = remembered) {
  await records.remove(record.fingerprint);
  if (record.url !== null) await cancel(record.url, 15_000).catch(() => undefined);
}

/**
 * An answer. @typedef {{status: number, text: string, header: (name: string) => string|null}} Answer
 *
 * @typedef {object} Sending
 * @property {Record<string, string>} [headers]
 * @property {Blob} [body]
 * @property {AbortSignal} [signal]
 * @property {(bytes: number) => void} [onSent]
 * @property {(hurry: (ms: number) => void, cut: () => void) => void} [onOpen] gives two handles on the running
 *   request: to shorten its patience, and to end it as a lost connection
 * @property {number} stall ms
 * @property {number} patience ms
 */

/**
 * One request. XMLHttpRequest, because it alone tells how much of a body is gone.
 *
 * @param {string} method
 * @param {string} url
 * @param {Sending} sending
 * @returns {Promise<Answer>}
 */
function send(method, url, { headers = {}, body, signal, onSent, onOpen, stall, patience }) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    let timer;
    /** @param {unknown} error */
    const fail = (error) => {
      finish();
      xhr.abort();
      reject(error);
    };
    const cut = () => fail(lost("The connection was lost."));
    const stop = () => fail(signal?.reason);
    /** @param {number} ms */
    const arm = (ms) => {
      clearTimeout(timer);
      timer = setTimeout(() => fail(lost("The connection stood still.", "stalled")), ms);
    };
    const finish = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      xhr.onload = xhr.onerror = xhr.upload.onprogress = xhr.upload.onload = null;
    };
    if (signal?.aborted) return reject(signal.reason);
    signal?.addEventListener("abort", stop);
    xhr.open(method, url);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    if (body !== undefined) {
      xhr.upload.onprogress = (event) => {
        arm(stall);
        onSent?.(event.loaded);
      };
      xhr.upload.onload = () => arm(patience);
    }
    xhr.onload = () => {
      finish();
      resolve({ status: xhr.status, text: xhr.responseText, header: headersOf(xhr) });
    };
    xhr.onerror = cut;
    arm(body === undefined ? patience : stall);
    onOpen?.(arm, cut);
    xhr.send(body ?? null);
  });
}

/**
 * The headers that came. Asking for one by name makes browsers complain where it did not, or may not be seen.
 *
 * @param {XMLHttpRequest} xhr
 * @returns {(name: string) => string|null}
 */
function headersOf(xhr) {
  const lines = xhr.getAllResponseHeaders().split("\r\n");
  const found = new Map(lines.map((line) => [line.split(":", 1)[0].toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]));
  return (name) => found.get(name.toLowerCase()) ?? null;
}

/** @param {string} message @param {string} [code] */
function lost(message, code = "network") {
  return new SluiceError(code, message, { remedy: "It is tried again by itself.", retryable: true });
}

/** Terminate an upload at the server. @param {string} url @param {number} patience ms */
async function cancel(url, patience) {
  const answer = await send("DELETE", url, { headers: TUS, stall: patience, patience });
  if (answer.status >= 300 && answer.status !== 404 && answer.status !== 410) {
    throw judge("cancel", answer.status, answer.text, readRetryAfter(answer.header("Retry-After")));
  }
}

/** @type {Map<string, {at: number, limits: Promise<Limits>}>} */
const told = new Map();

/**
 * What the server takes: asked once in a while, and never in the way of an upload.
 *
 * @param {string} url
 * @returns {Promise<Limits>}
 */
function limitsOf(url) {
  const { origin, pathname } = new URL(url);
  const place = origin + pathname.replace(/(\/-\/uploads\/[^/]+)\/.*/s, "$1"); // the bucket's
  const known = told.get(place);
  if (known && Date.now() - known.at < LIMITS_FRESH) return known.limits;
  const limits = send("OPTIONS", place, { stall: LIMITS_PATIENCE, patience: LIMITS_PATIENCE })
    .then((answer) => readLimits(answer.status < 300 ? answer.header : () => null))
    .catch(() => {
      told.delete(place);
      return readLimits(() => null);
    });
  told.set(place, { at: Date.now(), limits });
  return limits;
}

/**
 * One file on its way. Events: `progress` ({@link Progress}), `state` ({state, waiting}), `done` and `error`
 * (the {@link SluiceError}), each as a CustomEvent's detail.
 */
export class Upload extends EventTarget {
  /** @type {State} */
  #state = "idle";
  /** @type {Waiting|null} */
  #waiting = null;
  /** @type {SluiceError|null} */
  #error = null;
  /** @type {AbortController|null} */
  #control = null;
  /** @type {Promise<void>} */
  #running = Promise.resolve();
  /** @type {Remembered} */
  #record;
  #beginAt;
  #records;
  #sizer;
  #meter = new RateMeter();
  #acknowledged = 0;
  #sent = 0;
  /** Whether #acknowledged is the server's word, or has to be asked for. */
  #asked = false;
  /** Whether the server said that the object is there. */
  #published = false;
  /** Of the running request. @type {((ms: number) => void)|null} */
  #hurry = null;
  /** @type {(() => void)|null} */
  #cut = null;
  /** @type {(value: Upload) => void} */
  #resolve = () => {};
  /** @type {(error: SluiceError) => void} */
  #reject = () => {};

  /** @param {Blob} file @param {Options} options */
  constructor(file, options) {
    super();
    this.file = file;
    this.options = { ...options };
    const url = new URL(options.url, globalThis.location?.href);
    this.#beginAt = url.href;
    /** What this file at this target is remembered by; null: by nothing. */
    this.fingerprint = fingerprintOf(file, url, options);
    const forgetful = options.records === null || this.fingerprint === null;
    this.#records = forgetful ? new MemoryRecords() : (options.records ?? remembered);
    this.#sizer = new ChunkSizer(options.chunk);
    this.#record = this.#blank();
    this.finished = this.#promise();
  }

  /** @returns {Promise<Upload>} */
  #promise() {
    const promise = new Promise((resolve, reject) => ([this.#resolve, this.#reject] = [resolve, reject]));
    promise.catch(() => undefined); // who listens to events need not listen here too
    return promise;
  }

  /** @returns {State} */
  get state() {
    return this.#state;
  }

  /** Why it waits; null unless the state is "waiting". */
  get waiting() {
    return this.#waiting;
  }

  /** Why it failed; null unless the state is "failed". */
  get error() {
    return this.#error;
  }

  /** The upload's own URL, once the server gave it one. */
  get url() {
    return this.#record.url;
  }

  /** @returns {Progress} */
  get progress() {
    const now = Date.now();
    const moving = this.#state === "sending";
    return {
      total: this.file.size,
      sent: this.#sent,
      acknowledged: this.#acknowledged,
      rate: moving ? this.#meter.rate(now) : 0,
      eta: moving ? this.#meter.eta(this.file.size - this.#sent, now) : null,
    };
  }

  /** Begin, or go on. The promise is kept when the object is stored, and broken when it failed or was aborted. */
  start() {
    if (this.#control === null && !["done", "aborted"].includes(this.#state)) {
      if (this.#state === "failed") this.finished = this.#promise();
      const control = (this.#control = new AbortController());
      this.#error = null;
      this.#enter("starting");
      this.#running = this.#running.then(() => this.#run(control.signal));
    }
    return this.finished;
  }

  /** Stop sending. What the server has is kept until the upload expires. */
  pause() {
    if (this.#control === null) return;
    this.#halt();
    this.#enter("paused");
  }

  /** Go on after a pause or a failure; `more` replaces options, say with a new credential.
   * @param {Partial<Pick<Options, "headers">>} [more] */
  resume(more = {}) {
    Object.assign(this.options, more);
    return this.start();
  }

  /** Give up, and let the server drop what it has. */
  async abort() {
    if (this.#state === "done" || this.#state === "aborted") return;
    this.#halt();
    this.#enter("aborted");
    this.#reject(new SluiceError("aborted", "The upload was aborted."));
    await this.#running;
    const record = (await this.#recall()) ?? this.#record;
    await forget(record, this.#records);
  }

  #halt() {
    this.#control?.abort(new DOMException("The upload was stopped.", "AbortError"));
    this.#control = null;
    this.#sent = this.#acknowledged;
    this.#meter.stop();
  }

  /** @returns {Remembered} */
  #blank() {
    const { origin, pathname } = new URL(this.#beginAt);
    return {
      fingerprint: this.fingerprint ?? "",
      target: origin + pathname,
      name: /** @type {File} */ (this.file).name ?? "",
      size: this.file.size,
      attempt: token(),
      url: null,
      acknowledged: 0,
      expires: Date.now() + DEFAULT_LIFE,
    };
  }

  /** One stretch between start and the next pause, end or failure. Never rejects. @param {AbortSignal} signal */
  async #run(signal) {
    const release = this.#listen();
    try {
      await exclusively(
        this.fingerprint,
        signal,
        () => this.#waitFor("elsewhere", null, null),
        () => this.#persist(signal),
      );
      signal.throwIfAborted();
      this.#control = null;
      await this.#records.remove(this.#record.fingerprint);
      this.#enter("done");
      this.#tell("done", this);
      this.#resolve(this);
    } catch (error) {
      if (signal.aborted) return; // who stopped it has said so
      this.#control = null;
      this.#halt();
      this.#error = understood(error);
      this.#enter("failed");
      this.#tell("error", this.#error);
      this.#reject(this.#error);
    } finally {
      release();
    }
  }

  /** Until it is done, whatever it takes. @param {AbortSignal} signal */
  async #persist(signal) {
    this.#record = (await this.#recall()) ?? this.#record;
    this.#asked = false;
    const { base, cap, limit = 20 } = this.options.retry ?? {};
    let [failures, restarts] = [0, 0];
    while (!this.#published) {
      const before = this.#acknowledged;
      try {
        await this.#attempt(signal);
      } catch (cause) {
        signal.throwIfAborted();
        const error = understood(cause);
        const progressed = this.#acknowledged > before;
        this.#sent = this.#acknowledged;
        this.#meter.stop();
        this.#asked = false;
        if (!error.retryable) throw error;
        if (error.code === "gone") {
          if (++restarts > MAX_RESTARTS) throw surrender(error);
          await this.#beginAnew();
          continue;
        }
        if (error.code === "chunk-too-large" && this.#sizer.failed()) continue;
        failures = progressed ? 1 : failures + 1;
        if (error.code === "conflict" && failures === 1) continue; // asked at once
        if (failures > limit) throw surrender(error);
        if (!progressed) this.#sizer.failed();
        await this.#readable();
        const delay = backoff(failures, { base, cap }) + (error.retryAfter ?? 0);
        this.#waitFor("retry", Date.now() + delay, error);
        await rest(delay, signal, error.retryAfter === null ? ["online", "visible"] : []);
      }
    }
  }

  /** Ask, and send until the end or a failure. @param {AbortSignal} signal */
  async #attempt(signal) {
    if (globalThis.navigator?.onLine === false) {
      this.#waitFor("offline", null, null);
      await rest(OFFLINE_PATIENCE, signal, ["online"]);
    }
    this.#enter(this.#record.url === null || !this.#asked ? "starting" : "sending");
    if (this.#record.url === null) await this.#create(signal);
    else if (!this.#asked) await this.#ask(signal);
    this.#enter("sending");
    while (!this.#published) await this.#append(signal);
  }

  /** Begin the upload at the server. @param {AbortSignal} signal */
  async #create(signal) {
    const limits = await limitsOf(this.#beginAt);
    signal.throwIfAborted();
    if (limits.max !== null && this.file.size > limits.max) {
      const message = `The file has ${this.file.size} bytes, the server takes ${limits.max} at most.`;
      throw new SluiceError("too-large", message, { remedy: "Choose a smaller file, or ask for a higher limit." });
    }
    this.#sizer.limit(limits);
    await this.#keep(); // so that a creation whose answer is lost is not repeated as another upload
    const { headers = {}, metadata } = this.options;
    const { name = "", type } = /** @type {File} */ (this.file);
    const answer = await this.#request("POST", this.#beginAt, "create", signal, {
      headers: {
        ...TUS,
        "Upload-Length": String(this.file.size),
        "Upload-Metadata": writeMetadata({ filename: name, filetype: type, ...metadata }),
        "Idempotency-Key": this.#record.attempt,
        ...(typeof headers === "function" ? await headers() : headers),
      },
    });
    const location = answer.header("Location");
    if (answer.status !== 201 || !location) throw misunderstood("The server gave the upload no URL.");
    this.#record.url = new URL(location, this.#beginAt).href;
    this.#acknowledge(wholeNumber(answer.header("Upload-Offset")) ?? 0, answer);
    this.#published = this.file.size === 0;
    await this.#keep();
  }

  /** Ask how much the server has. @param {AbortSignal} signal */
  async #ask(signal) {
    const answer = await this.#request("HEAD", this.#urlOf(), "ask", signal, { headers: TUS });
    const [offset, length] = [answer.header("Upload-Offset"), answer.header("Upload-Length")].map(wholeNumber);
    if (offset === null || offset > this.file.size) throw misunderstood("The server did not tell what it has.");
    if (length !== null && length !== this.file.size) {
      throw new SluiceError("gone", "This is an upload of another file.", { retryable: true });
    }
    this.#acknowledge(offset, answer);
    await this.#keep();
  }

  /**
   * Send the next chunk. At the end an empty one: what has all bytes is published by it if it was not before, and
   * it changes nothing otherwise.
   *
   * @param {AbortSignal} signal
   */
  async #append(signal) {
    const [offset, size, begun] = [this.#acknowledged, this.file.size, Date.now()];
    const body = this.file.slice(offset, offset + this.#sizer.size, ""); // of no type: the header names one
    const answer = await this.#request("PATCH", this.#urlOf(), "append", signal, {
      headers: { ...TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset) },
      body,
      onSent: (bytes) => this.#move(offset + Math.min(bytes, body.size)),
    });
    const reached = wholeNumber(answer.header("Upload-Offset"));
    if (reached === null || reached > size || (reached <= offset && offset < size)) {
      throw misunderstood("The server did not tell what it has.");
    }
    this.#acknowledge(reached, answer);
    this.#sizer.succeeded(reached - offset, Date.now() - begun);
    this.#published = reached === size;
    await this.#keep();
  }

  /**
   * One request of the protocol; any answer but 2xx is an error.
   *
   * @param {string} method
   * @param {string} url
   * @param {"create"|"ask"|"append"} step
   * @param {AbortSignal} signal
   * @param {Partial<Sending>} sending
   */
  async #request(method, url, step, signal, sending) {
    const { stall = STALL, patience = 4 * STALL } = this.options;
    try {
      const answer = await send(method, url, {
        signal,
        stall,
        patience: step === "append" ? patience : stall,
        onOpen: (hurry, cut) => ([this.#hurry, this.#cut] = [hurry, cut]),
        ...sending,
      });
      if (answer.status >= 200 && answer.status < 300) return answer;
      throw judge(step, answer.status, answer.text, readRetryAfter(answer.header("Retry-After")));
    } finally {
      this.#hurry = this.#cut = null;
    }
  }

  #urlOf() {
    return /** @type {string} */ (this.#record.url);
  }

  /** @param {number} offset @param {Answer} answer */
  #acknowledge(offset, answer) {
    this.#acknowledged = this.#record.acknowledged = offset;
    this.#asked = true;
    const expires = Date.parse(answer.header("Upload-Expires") ?? "");
    if (!Number.isNaN(expires)) this.#record.expires = expires;
    this.#move(offset);
  }

  /** @param {number} sent */
  #move(sent) {
    this.#sent = sent;
    this.#meter.add(sent, Date.now());
    this.#tell("progress", this.progress);
  }

  async #beginAnew() {
    await this.#records.remove(this.#record.fingerprint);
    this.#record = this.#blank();
    this.#acknowledged = this.#sent = 0;
  }

  /** What is remembered of this file, unless it is stale. */
  async #recall() {
    const found = this.#record.url === null ? await this.#records.get(this.#record.fingerprint) : this.#record;
    if (found === undefined || found.expires > Date.now()) return found;
    await this.#records.remove(found.fingerprint);
    return undefined;
  }

  async #keep() {
    await this.#records.put({ ...this.#record });
  }

  /** A file that was changed or moved can't be read any more: no retry helps. */
  async #readable() {
    try {
      await this.file.slice(this.#acknowledged, this.#acknowledged + 1).arrayBuffer();
    } catch (cause) {
      const remedy = "Choose the file again.";
      throw new SluiceError("file-changed", "The file was changed, moved or removed since it was chosen.", { remedy, cause });
    }
  }

  /** Follow the device's network while running. Answers how to stop that. */
  #listen() {
    const connection = /** @type {any} */ (globalThis.navigator)?.connection;
    const { stall = STALL } = this.options;
    let kind = connection?.type;
    const offline = () => this.#cut?.();
    const changed = () => {
      if (connection.type !== kind) this.#hurry?.(CHANGED_PATIENCE * stall); // the old way may lead nowhere now
      kind = connection.type;
    };
    globalThis.addEventListener?.("offline", offline);
    connection?.addEventListener?.("change", changed);
    return () => {
      globalThis.removeEventListener?.("offline", offline);
      connection?.removeEventListener?.("change", changed);
    };
  }

  /** @param {Waiting["reason"]} reason @param {number|null} until @param {SluiceError|null} error */
  #waitFor(reason, until, error) {
    this.#enter("waiting", { reason, until, error });
  }

  /** @param {State} state @param {Waiting|null} [waiting] */
  #enter(state, waiting = null) {
    if (this.#state === state && waiting === null) return;
    this.#state = state;
    this.#waiting = waiting;
    this.#tell("state", { state, waiting });
    this.#tell("progress", this.progress);
  }

  /** @param {string} type @param {unknown} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @param {unknown} error @returns {SluiceError} */
function understood(error) {
  if (error instanceof SluiceError) return error;
  return new SluiceError("broken", String(error), { remedy: "This is a bug; please report it.", cause: error });
}

/** @param {string} message */
function misunderstood(message) {
  const remedy = "Something between here and the gateway changes its answers: check the proxy, and cors.origins.";
  return new SluiceError("protocol", message, { remedy, retryable: true });
}

/** @param {SluiceError} cause */
function surrender(cause) {
  const remedy = "It failed too often to go on by itself: resume it when the server can be reached again.";
  return new SluiceError(cause.code, cause.message, { remedy, status: cause.status, cause });
}

/** A name that nobody else makes; also without a secure context, which randomUUID asks for. */
function token() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Wait, until the time is over or one of the events comes: "online", or "visible" (the tab is looked at again).
 *
 * @param {number} ms
 * @param {AbortSignal} signal
 * @param {("online"|"visible")[]} events
 * @returns {Promise<void>}
 */
function rest(ms, signal, events) {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      globalThis.removeEventListener?.("online", done);
      globalThis.document?.removeEventListener("visibilitychange", seen);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    const seen = () => document.visibilityState === "visible" && done();
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    if (events.includes("online")) globalThis.addEventListener?.("online", done);
    if (events.includes("visible")) globalThis.document?.addEventListener("visibilitychange", seen);
    if (signal.aborted) done();
  });
}

/**
 * One tab at a time: two that send one file to one place would fight over its offset. Where a browser has no locks
 * (they need a secure context) the server still keeps them apart.
 *
 * @template T
 * @param {string|null} name
 * @param {AbortSignal} signal
 * @param {() => void} busy called when another has it
 * @param {() => Promise<T>} act
 * @returns {Promise<T>}
 */
async function exclusively(name, signal, busy, act) {
  const locks = globalThis.navigator?.locks;
  if (!locks || name === null) return act();
  const free = await locks.request(name, { ifAvailable: true }, async (lock) =>
    lock === null ? null : { result: await act() },
  );
  if (free !== null) return free.result;
  busy();
  return locks.request(name, { signal }, act);
}
