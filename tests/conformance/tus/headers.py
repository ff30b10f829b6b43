"""T6 to T11: versions and methods."""

from tests.conformance.tus.trial import BODY, SUITE, Trial


@SUITE.check(
    6, "POST without Tus-Resumable: 412 with Tus-Version, nothing created", needs=("creation",)
)
def version_is_needed(trial: Trial) -> None:
    answer = trial.post([("Upload-Length", "10")], version=None)
    trial.must(answer.status == 412, f"POST without Tus-Resumable was answered {answer}")
    trial.must(answer.get("tus-version") is not None, "the answer has no Tus-Version")
    trial.must(answer.get("location") is None, "an upload was created all the same")


@SUITE.check(
    7, "POST, PATCH and DELETE of another version: 412, not processed", needs=("creation",)
)
def other_versions_are_refused(trial: Trial) -> None:
    upload = trial.create(10)
    posted = trial.post([("Upload-Length", "10")], version="0.2.2")
    patched = trial.patch(upload, 0, b"12345", version="0.2.2")
    deleted = trial.request("DELETE", upload.url, version="0.2.2")
    for method, answer in (("POST", posted), ("PATCH", patched), ("DELETE", deleted)):
        trial.must(answer.status == 412, f"{method} was answered {answer}")
        trial.must(answer.get("tus-version") is not None, f"{method}: no Tus-Version in the answer")
    trial.must(posted.get("location") is None, "POST created an upload all the same")
    offset = trial.offset(upload)
    trial.must(offset == 0, f"PATCH was processed: HEAD says {offset}")


@SUITE.check(8, "HEAD: 412 for another version, 200 without any", needs=("creation",))
def head_and_versions(trial: Trial) -> None:
    upload = trial.create(10)
    wrong, none = trial.head(upload.url, version="0.2.2"), trial.head(upload.url, version=None)
    trial.must(wrong.status == 412, f"HEAD with 0.2.2 was answered {wrong}")
    trial.strict(none.status in {200, 204}, f"HEAD without Tus-Resumable was answered {none}")


@SUITE.check(9, "Every answer but those to OPTIONS has Tus-Resumable, errors too", alone=True)
def every_answer_has_the_version(trial: Trial) -> None:
    if trial.offers("creation"):
        upload = trial.create(10)
        trial.head(upload.url)
        trial.head(upload.url + "0")
        trial.patch(upload, 3, b"12345")
        trial.patch(upload, 0, b"12345", content="text/plain")
        trial.post([("Upload-Length", "-1")])
    # An override has made another method of it, and what no tus server has to know may be answered by what is around.
    asked = [one for one in trial.target.seen if one.method in {"POST", "HEAD", "PATCH", "DELETE"}]
    bare = [one for one in asked if one.answer.get("tus-resumable") is None]
    # 431 and the like come from the HTTP server, before anybody knows that tus is spoken.
    bare = [one for one in bare if one.answer.status not in {408, 414, 431}]
    kinds = sorted({f"{one.method} {one.answer.status} (in {one.number})" for one in bare})
    trial.must(not bare, f"{len(bare)} of {len(asked)} answers lack it: {', '.join(kinds[:6])}")
    trial.saw(f"{len(asked)} answers looked at")


@SUITE.check(10, "A method that is not supported: 405 with Allow", needs=("creation",))
def unknown_methods(trial: Trial) -> None:
    upload = trial.create(10)
    answer = trial.request("PUT", upload.url, body=b"12345")
    trial.should(answer.status == 405, f"PUT on an upload was answered {answer}")
    if answer.status == 405:
        trial.should(answer.get("allow") is not None, "405 without Allow")


@SUITE.check(
    11, "X-HTTP-Method-Override is the method, the real one is ignored", needs=("creation",)
)
def override(trial: Trial) -> None:
    upload = trial.create(10)
    told = [("Upload-Offset", "0"), ("Content-Type", BODY)]
    over = "X-HTTP-Method-Override"
    patched = trial.request("POST", upload.url, [(over, "PATCH"), *told], b"12345")
    trial.must(
        patched.status == 204 and patched.number("upload-offset") == 5,
        f"POST for PATCH was answered {patched} with Upload-Offset {patched.get('upload-offset')}",
    )
    asked = trial.request("POST", upload.url, [(over, "HEAD")])
    trial.must(
        asked.status in {200, 204} and asked.get("upload-offset") is not None,
        f"POST for HEAD was answered {asked}",
    )
    trial.must(trial.request("GET", upload.url, [(over, "HEAD")]).get("upload-offset") is not None,
               "GET for HEAD was not taken as HEAD")  # fmt: skip
    if trial.offers("termination"):
        deleted = trial.request("POST", upload.url, [(over, "DELETE")])
        trial.must(deleted.status == 204, f"POST for DELETE was answered {deleted}")
        after = trial.head(upload.url)
        trial.must(after.status in {404, 410}, f"after POST for DELETE, HEAD is answered {after}")
