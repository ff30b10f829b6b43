// What of sluice.js needs no browser: its decisions, and its answers to servers that fail in ways that real ones
// can't be made to. Run by tests/web/test_sluice_js.py; by hand: node --test tests/web/sluice.test.mjs
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, test } from "node:test";
import { pathToFileURL } from "node:url";

// Every browser has them; Debian 12's node has not.
globalThis.crypto ??= webcrypto;
globalThis.CustomEvent ??= class extends Event {
  constructor(type, { detail }) {
    super(type);
    this.detail = detail;
  }
};

// Under this name it is a module for every node.
const folder = mkdtempSync(join(tmpdir(), "sluice-"));
after(() => rmSync(folder, { recursive: true }));
copyFileSync(new URL("../../gateway/web/static/sluice.js", import.meta.url), join(folder, "sluice.mjs"));
const sluice = await import(pathToFileURL(join(folder, "sluice.mjs")).href);
const { ChunkSizer, MemoryRecords, RateMeter, SluiceError, Upload } = sluice;
const MiB = 1 << 20;

test("back-off doubles, is capped, and is anything below", () => {
  const most = (failures) => sluice.backoff(failures, { base: 100, cap: 1000, random: () => 1 });
  assert.deepEqual([1, 2, 3, 4, 400].map(most), [200, 400, 800, 1000, 1000]);
  assert.equal(sluice.backoff(5, { random: () => 0 }), 0);
  for (let i = 0; i < 200; i += 1) assert.ok(sluice.backoff(3) <= 4000);
});

test("Retry-After is seconds or a date, and never in the past", () => {
  const now = Date.parse("Tue, 01 Jun 2027 12:00:00 GMT");
  const read = (text) => sluice.readRetryAfter(text, now);
  assert.equal(read("7"), 7000);
  assert.equal(read("Tue, 01 Jun 2027 12:00:30 GMT"), 30_000);
  assert.equal(read("Tue, 01 Jun 2027 11:00:00 GMT"), 0);
  assert.equal(read("99999999999"), 24 * 3600_000);
  for (const nothing of [null, "", "soon", "-"]) assert.equal(read(nothing), null);
});

test("limits are read from both protocols, and the smaller size counts", () => {
  const read = (headers) => sluice.readLimits((name) => headers[name] ?? null);
  assert.deepEqual(read({}), { max: null, maxAppend: null, minAppend: null });
  assert.deepEqual(
    read({ "Upload-Limit": "max-size=100, min-append-size=5,max-append-size=50, max-age=9;x", "Tus-Max-Size": "70" }),
    { max: 70, maxAppend: 50, minAppend: 5 },
  );
  assert.deepEqual(read({ "Upload-Limit": "max-size=?1, min-size=0", "Tus-Max-Size": "x" }).max, null);
});

test("chunks follow the rate, a step at a time, within their bounds", () => {
  const sizer = new ChunkSizer({ min: MiB, max: 64 * MiB, initial: 4 * MiB, seconds: 10 });
  sizer.succeeded(4 * MiB, 10);
  assert.equal(sizer.size, 16 * MiB); // at most four times as much
  sizer.succeeded(16 * MiB, 10_000);
  assert.equal(sizer.size, 16 * MiB);
  sizer.succeeded(16 * MiB, 1_000_000);
  assert.equal(sizer.size, 8 * MiB); // at most half as much
  sizer.succeeded(1, 1);
  assert.equal(sizer.size, 8 * MiB); // a last byte says nothing
  for (let i = 0; i < 9; i += 1) sizer.succeeded(sizer.size, 1);
  assert.equal(sizer.size, 64 * MiB);
});

test("chunks shrink as long as nothing goes through", () => {
  const sizer = new ChunkSizer({ min: MiB, max: 64 * MiB, initial: 4 * MiB });
  assert.deepEqual([sizer.failed(), sizer.failed(), sizer.failed()], [true, true, false]);
  assert.equal(sizer.size, MiB);
});

test("chunks keep to the server's limits, also below our least", () => {
  const sizer = new ChunkSizer({ min: MiB, initial: 4 * MiB });
  sizer.limit({ max: null, maxAppend: 100_000, minAppend: null });
  assert.deepEqual([sizer.size, sizer.min, sizer.max], [100_000, 100_000, 100_000]);
  const other = new ChunkSizer({ min: MiB, initial: MiB });
  other.limit({ max: null, maxAppend: null, minAppend: 5 * MiB });
  assert.equal(other.size, 5 * MiB);
});

test("the rate is that of the last seconds", () => {
  const meter = new RateMeter(1000);
  assert.equal(meter.rate(0), 0);
  assert.equal(meter.eta(5, 0), null);
  for (let at = 0; at <= 5000; at += 100) meter.add(at < 3000 ? at : 3000 + (at - 3000) * 10, at);
  assert.ok(Math.abs(meter.rate(5000) - 10_000) < 500, String(meter.rate(5000)));
  assert.ok(Math.abs(meter.eta(20_000, 5000) - 2) < 0.2);
  assert.ok(meter.rate(9000) < 3000); // it sinks while nothing moves
  assert.equal(meter.eta(0, 5000), 0);
  meter.add(10, 9100); // sent again from there
  assert.equal(meter.rate(9100), 0);
  meter.stop();
  assert.equal(meter.rate(9200), 0);
});

test("a file is told by name, size, time, place and owner; never by a signature", () => {
  const file = (name, size, lastModified) => ({ name, size, lastModified });
  const print = (one, url = "https://h/-/uploads/b/k", more = {}) => sluice.fingerprintOf(one, url, more);
  const first = print(file("a", 1, 2));
  assert.equal(first, print(file("a", 1, 2), "https://h/-/uploads/b/k?X-Amz-Signature=other"));
  const others = [
    print(file("b", 1, 2)),
    print(file("a", 2, 2)),
    print(file("a", 1, 3)),
    print(file("a", 1, 2), "https://h/-/uploads/b/other"),
    print(file("a", 1, 2), "https://other/-/uploads/b/k"),
    print(file("a", 1, 2), undefined, { owner: "you" }),
  ];
  assert.equal(new Set([first, ...others]).size, 7);
  assert.equal(print(new Blob(["x"])), null); // two of them can't be told apart
  assert.notEqual(print(new Blob(["x"]), undefined, { fingerprint: "mine" }), null);
});

test("targets and metadata carry any name", () => {
  assert.equal(sluice.target("b", "dir/ä ?#%.txt", "https://h/"), "https://h/-/uploads/b/dir/%C3%A4%20%3F%23%25.txt");
  assert.equal(sluice.target("b", "k", "https://h/under/"), "https://h/under/-/uploads/b/k");
  assert.equal(sluice.writeMetadata({ filename: "ä", filetype: "", note: "x" }), "filename w6Q=,note eA==");
});

test("what is stale is forgotten", async () => {
  const records = new MemoryRecords();
  const record = (fingerprint, expires) => ({ fingerprint, expires, target: "", name: "", size: 1, attempt: "", url: null, acknowledged: 0 });
  await records.put(record("old", 5));
  await records.put(record("new", 50));
  assert.deepEqual((await sluice.unfinished(records, 10)).map((one) => one.fingerprint), ["new"]);
  assert.equal((await records.all()).length, 1);
});

test("every refusal has a code, says what to do, and whether to try again", () => {
  const table = [
    ["append", 404, "gone", true], ["ask", 410, "gone", true], ["append", 409, "conflict", true],
    ["append", 413, "chunk-too-large", true], ["append", 423, "busy", true], ["create", 429, "busy", true],
    ["create", 503, "busy", true], ["append", 500, "server", true], ["ask", 502, "server", true],
    ["append", 408, "server", true], ["append", 501, "refused", false], ["append", 403, "revoked", false],
    ["create", 401, "credential", false], ["create", 403, "credential", false], ["create", 404, "no-such-place", false],
    ["create", 409, "exists", false], ["create", 413, "too-large", false], ["create", 415, "type", false],
    ["create", 400, "refused", false],
  ];
  for (const [step, status, code, retryable] of table) {
    const error = sluice.judge(step, status, "");
    assert.deepEqual([error.code, error.retryable, error.status], [code, retryable, status]);
    assert.ok(error instanceof SluiceError && error.remedy.length > 5 && error.message.endsWith(error.remedy));
  }
  assert.equal(sluice.judge("append", 409, "It exists.\n\n(object-exists, request 1)\n").code, "exists");
  assert.match(sluice.judge("create", 403, "The token has expired.\n\n(x)").message, /^The token has expired\. Ask/);
  assert.match(sluice.judge("create", 400, '{"detail": "So it is."}').message, /^So it is\./);
  assert.match(sluice.judge("create", 400, "<html>").message, /^The server refused/);
  assert.match(sluice.judge("create", 400, "{broken").message, /^The server refused/);
});

// ------------------------------------------------------------------ a server that fails on order

/** A tus server in memory. `faults` are taken by the next requests of a method: a status, "lost" (the request is
 *  carried out, its answer is lost), "cut" (half of the body arrives), "silent" (no answer), or a function. */
class Server {
  uploads = new Map();
  named = new Map();
  log = [];
  faults = { POST: [], HEAD: [], PATCH: [], DELETE: [], OPTIONS: [] };
  limits = {};

  async handle(method, url, headers, body) {
    this.log.push({ method, url, offset: Number(headers["Upload-Offset"] ?? NaN), size: body?.size ?? 0, headers, at: Date.now() });
    const fault = this.faults[method].shift();
    if (fault === "silent") return new Promise(() => {});
    if (typeof fault === "number") return { status: fault, headers: {} };
    if (typeof fault === "object" && fault !== null) return { headers: {}, ...fault };
    const bytes = new Uint8Array(body ? await body.arrayBuffer() : []);
    const answer = this.carry(method, url, headers, fault === "cut" ? bytes.subarray(0, bytes.length >> 1) : bytes);
    return fault === "lost" || fault === "cut" ? null : answer;
  }

  carry(method, url, headers, bytes) {
    if (method === "OPTIONS") return { status: 204, headers: this.limits };
    if (method === "POST") {
      const name = headers["Idempotency-Key"];
      if (!this.named.has(name)) {
        const made = `/-/uploads/u${this.uploads.size}`;
        this.named.set(name, made);
        this.uploads.set(new URL(made, url).href, { length: Number(headers["Upload-Length"]), bytes: [] });
      }
      return { status: 201, headers: { location: this.named.get(name), "upload-offset": "0" } };
    }
    const upload = this.uploads.get(url);
    if (upload === undefined) return { status: 404, headers: {} };
    if (method === "DELETE") return this.uploads.delete(url), { status: 204, headers: {} };
    if (method === "PATCH") {
      if (Number(headers["Upload-Offset"]) !== upload.bytes.length) return { status: 409, headers: {} };
      upload.bytes.push(...bytes);
    }
    return { status: 204, headers: { "upload-offset": String(upload.bytes.length), "upload-length": String(upload.length) } };
  }

  of(method) {
    return this.log.filter((one) => one.method === method);
  }
}

let server;

class FakeRequest {
  upload = {};
  headers = {};
  open(method, url) {
    Object.assign(this, { method, url });
  }
  setRequestHeader(name, value) {
    this.headers[name] = value;
  }
  async send(body) {
    const answer = await server.handle(this.method, this.url, this.headers, body);
    if (this.aborted) return;
    if (answer === null) return this.onerror?.();
    this.upload.onprogress?.({ loaded: body?.size ?? 0 });
    this.upload.onload?.();
    Object.assign(this, { status: answer.status, responseText: answer.text ?? "", answer });
    this.onload?.();
  }
  abort() {
    this.aborted = true;
  }
  getAllResponseHeaders() {
    return Object.entries(this.answer.headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  }
}

beforeEach(() => {
  server = new Server();
  globalThis.XMLHttpRequest = FakeRequest;
});
afterEach(() => {
  delete globalThis.XMLHttpRequest;
});

let files = 0;
const content = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);

function make(options = {}, bytes = content) {
  files += 1;
  const file = Object.assign(new Blob([bytes]), { name: "f", lastModified: files });
  const url = `https://h${files}/-/uploads/b/k`; // a place of its own: limits are remembered
  return new Upload(file, {
    url,
    records: new MemoryRecords(),
    chunk: { min: 10, max: 400, initial: 100 },
    retry: { base: 1, cap: 4 },
    stall: 200,
    ...options,
  });
}

const stored = () => [...server.uploads.values()].map((upload) => upload.bytes);
const whole = [Array.from(content)];

test("nothing fails: one creation, chunks in order, an end", async () => {
  const upload = make({ headers: async () => ({ Authorization: "Bearer x" }) });
  assert.equal(await upload.start(), upload);
  assert.equal(upload.state, "done");
  assert.deepEqual(stored(), whole);
  assert.equal(server.of("POST")[0].headers.Authorization, "Bearer x");
  assert.ok(server.of("PATCH").every((one) => one.headers.Authorization === undefined)); // the URL suffices
  assert.deepEqual(server.of("HEAD"), []);
});

for (const fault of [500, 502, 503, 423, 429, "lost", "cut"]) {
  test(`a PATCH that meets ${fault} is asked about and goes on`, async () => {
    server.faults.PATCH = [undefined, fault, undefined, fault];
    await make().start();
    assert.deepEqual(stored(), whole);
    assert.ok(server.of("HEAD").length >= 2);
    assert.equal(server.of("POST").length, 1);
  });
}

test("a creation whose answer is lost is not another upload", async () => {
  server.faults.POST = ["lost", "lost", 500];
  await make().start();
  assert.equal(server.of("POST").length, 4);
  assert.equal(server.uploads.size, 1);
  assert.deepEqual(stored(), whole);
});

test("409 is asked about at once", async () => {
  server.faults.PATCH = [undefined, 409];
  const upload = make({ retry: { base: 60_000, cap: 60_000 } });
  await upload.start();
  assert.equal(server.of("HEAD").length, 1);
});

for (const status of [404, 410]) {
  test(`${status} begins anew, with another name`, async () => {
    server.faults.PATCH = [undefined, status];
    await make().start();
    const names = server.of("POST").map((one) => one.headers["Idempotency-Key"]);
    assert.equal(new Set(names).size, 2);
    assert.deepEqual(stored().at(-1), whole[0]);
  });
}

test("a server that forgets every upload is given up", async () => {
  server.faults.PATCH = Array(50).fill(404);
  await assert.rejects(make().start(), { code: "gone" });
  assert.equal(server.of("POST").length, 6);
});

test("Retry-After is waited for", async () => {
  server.faults.PATCH = [{ status: 503, headers: { "retry-after": "1" } }];
  await make().start();
  const [first, second] = server.of("PATCH");
  assert.ok(second.at - first.at >= 1000, String(second.at - first.at));
});

test("failures without progress come to an end, and say so; resume() tries again", async () => {
  server.faults.PATCH = Array(4).fill(500);
  const upload = make({ retry: { base: 1, cap: 2, limit: 3 } });
  await assert.rejects(upload.start(), /failed too often/);
  assert.equal(upload.state, "failed");
  await upload.resume();
  assert.deepEqual(stored(), whole);
});

test("failures between which something goes through have no end", async () => {
  server.faults.PATCH = Array(30).fill([undefined, 500]).flat();
  await make({ chunk: { min: 20, max: 20 }, retry: { base: 1, cap: 1, limit: 2 } }).start();
  assert.deepEqual(stored(), whole);
});

test("a request that is too large for something on the way is made smaller", async () => {
  const handle = server.handle.bind(server);
  server.handle = async (method, url, headers, body) =>
    (body?.size ?? 0) > 30 ? (server.log.push({ method, size: body.size }), { status: 413, headers: {} }) : handle(method, url, headers, body);
  await make().start();
  assert.deepEqual(stored(), whole);
});

test("the server's limits are kept to, and a file that is too large is not begun", async () => {
  server.limits = { "upload-limit": "max-size=1000, max-append-size=64" };
  await make().start();
  assert.ok(server.of("PATCH").every((one) => one.size <= 64));
  await assert.rejects(make({}, new Uint8Array(1001)).start(), { code: "too-large" });
  assert.equal(server.of("POST").length, 1);
});

test("a connection that stands still is given up", async () => {
  server.faults.PATCH = ["silent"];
  const upload = make({ stall: 30, patience: 30 });
  await upload.start();
  assert.deepEqual(stored(), whole);
});

test("after a change of networks a silent connection is given up sooner", async (t) => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  const connection = Object.assign(new EventTarget(), { type: "wifi" });
  Object.defineProperty(globalThis, "navigator", { value: { connection }, configurable: true });
  t.after(() => (before ? Object.defineProperty(globalThis, "navigator", before) : delete globalThis.navigator));
  server.faults.PATCH = ["silent"];
  const upload = make({ stall: 6000, patience: 60_000 });
  const begun = Date.now();
  const done = upload.start();
  while (server.of("PATCH").length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  connection.dispatchEvent(new Event("change")); // merely a new estimate
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(server.of("PATCH").length, 1);
  connection.type = "cellular";
  connection.dispatchEvent(new Event("change"));
  await done;
  assert.ok(Date.now() - begun < 5000, String(Date.now() - begun));
  assert.deepEqual(stored(), whole);
});

test("a refusal ends it, with the server's words", async () => {
  server.faults.POST = [{ status: 403, text: "The bearer token has expired; ask for a new one.\n" }];
  const upload = make();
  const error = await upload.start().catch((one) => one);
  assert.equal(error.code, "credential");
  assert.match(error.message, /has expired/);
  assert.equal(upload.error, error);
  await upload.resume({ headers: { Authorization: "Bearer new" } });
  assert.equal(server.of("POST")[1].headers.Authorization, "Bearer new");
});

test("a lost last answer is settled by an empty append", async () => {
  server.faults.PATCH = ["lost"];
  await make({ chunk: { min: 1000, max: 1000 } }).start();
  assert.deepEqual(server.of("PATCH").map((one) => [one.offset, one.size]), [[0, 1000], [1000, 0]]);
  assert.deepEqual(stored(), whole);
});

test("another Upload of the same file goes on where the first was", async () => {
  const records = new MemoryRecords();
  const first = make({ records });
  first.addEventListener("progress", () => first.progress.acknowledged >= 100 && first.pause());
  first.start();
  while (first.state !== "paused") await new Promise((resolve) => setTimeout(resolve, 5));
  const kept = first.progress.acknowledged;
  const before = server.of("PATCH").length;
  await new Upload(first.file, { ...first.options }).start();
  assert.deepEqual(stored(), whole);
  assert.equal(server.of("POST").length, 1);
  assert.ok(server.of("PATCH").slice(before).every((one) => one.offset >= kept));
  assert.deepEqual(await records.all(), []);
});

test("abort deletes it at the server, and what is over stays over", async () => {
  const upload = make();
  server.faults.PATCH = [undefined, "silent"];
  const ended = upload.start().catch((error) => error.code);
  while (upload.progress.acknowledged === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await upload.abort();
  assert.equal(await ended, "aborted");
  assert.equal(server.uploads.size, 0);
  upload.pause();
  await assert.rejects(upload.resume());
  assert.equal(upload.state, "aborted");
});

test("an upload of another length under a remembered URL is not gone on with", async () => {
  const records = new MemoryRecords();
  const upload = make({ records });
  const origin = new URL(upload.options.url).origin;
  server.uploads.set(`${origin}/-/uploads/u0`, { length: 5, bytes: [] });
  await records.put({ fingerprint: upload.fingerprint, url: `${origin}/-/uploads/u0`, expires: Date.now() + 1000, attempt: "a", size: 1000, name: "f", target: "", acknowledged: 0 });
  await upload.start();
  assert.deepEqual(stored().at(-1), whole[0]);
});

test("a proxy that eats the protocol's headers is told as such", async () => {
  server.faults.PATCH = Array(9).fill({ status: 204 });
  await assert.rejects(make({ retry: { base: 1, cap: 1, limit: 2 } }).start(), { code: "protocol", message: /proxy/ });
});
