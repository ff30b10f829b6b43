// tus-js-client on Node uploads one file. The first argument is JSON: file, endpoint, and options of tus.Upload.
// With `store`, a file, it remembers where its uploads are, and goes on with one that another process began.
// From a stream, tus-js-client 4.3.1 never says that a piece is the last one, unless it is the only one: tus needs no such
// word, the IETF protocol does.
import { createReadStream, readFileSync } from "node:fs";
import { FileUrlStorage, Upload } from "tus-js-client";

const { file, store, ...options } = JSON.parse(process.argv[2]);
const retries = [];
const source = options.protocol === "tus-v1" ? createReadStream(file) : readFileSync(file);
const upload = new Upload(source, {
  retryDelays: Array(100).fill(50),
  ...(store && { urlStorage: new FileUrlStorage(store), storeFingerprintForResuming: true, removeFingerprintOnSuccess: true }),
  ...options,
  onBeforeRequest: (request) => console.error(request.getMethod(), request.getHeader("Upload-Offset") ?? ""),
  onChunkComplete: (_, accepted) => console.log(JSON.stringify({ accepted })),
  onShouldRetry: (error) => retries.push(error.message) > 0,
  onError: (error) => {
    console.error(error);
    process.exit(1);
  },
  onSuccess: () => console.log(JSON.stringify({ url: upload.url, retries: retries.length })),
});
const [known] = store ? await upload.findPreviousUploads() : [];
if (known) upload.resumeFromPreviousUpload(known);
upload.start();
