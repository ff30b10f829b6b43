// What a page of the tests has of others' clients.
import Uppy from "@uppy/core";
import Tus from "@uppy/tus";
import { Upload } from "tus-js-client";

Object.assign(globalThis, { Uppy, UppyTus: Tus, TusUpload: Upload });
