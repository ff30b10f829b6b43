// @tus/server, of a folder or, where STORE says so, of an S3. LIFETIME in seconds: unfinished uploads expire.
import { createServer } from "node:http";
import { Server } from "@tus/server";
import { FileStore } from "@tus/file-store";
import { S3Store } from "@tus/s3-store";

const { STORE, FOLDER, PORT, BUCKET, KEY, SECRET, LIFETIME } = process.env;
const lifetime = LIFETIME ? { expirationPeriodInMilliseconds: 1000 * Number(LIFETIME) } : {};
const datastore = STORE
  ? new S3Store({
      ...lifetime,
      s3ClientConfig: {
        bucket: BUCKET, region: "us-east-1", endpoint: STORE, forcePathStyle: true,
        credentials: { accessKeyId: KEY, secretAccessKey: SECRET },
      },
    })
  : new FileStore({ ...lifetime, directory: FOLDER });
const tus = new Server({ path: "/files", datastore, maxSize: 5 * 2 ** 40 });
// Node 20 ends it now and then with "ReadableStream is already closed", when a GET has been answered.
process.on("uncaughtException", (error) => console.error("would have ended the process:", error));
createServer((request, response) => tus.handle(request, response)).listen(Number(PORT), "127.0.0.1");
