"""T1 to T5: what a server says of itself."""

from urllib.parse import urlsplit

from tests.conformance.tus.trial import BODY, SUITE, Trial, b64
from tests.conformance.wire import Answer

KNOWN = {
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "expiration",
    "checksum",
    "checksum-trailer",
    "termination",
    "concatenation",
    "concatenation-unfinished",
}
TOLD = ("tus-version", "tus-extension", "tus-max-size", "tus-checksum-algorithm")


def _options(trial: Trial, url: str, version: str | None = None) -> Answer:
    return trial.request("OPTIONS", url, version=version)


@SUITE.check(1, "OPTIONS without Tus-Resumable: 200 or 204, with Tus-Version")
def says_its_versions(trial: Trial) -> None:
    answer = _options(trial, trial.target.creation_url("any"))
    trial.must(answer.status in {200, 204}, f"OPTIONS was answered {answer}")
    versions = answer.words("tus-version")
    trial.need(bool(versions), "there is no Tus-Version")
    trial.must("1.0.0" in versions, f"Tus-Version is {versions}")
    trial.should(versions[0] == max(versions), f"the preferred version isn't first: {versions}")
    trial.saw(f"Tus-Version: {', '.join(versions)}")


@SUITE.check(2, "Tus-Extension lists only what really works, and is left out when empty")
def says_its_extensions(trial: Trial) -> None:
    answer = _options(trial, trial.target.creation_url("any"))
    listed, line = answer.words("tus-extension"), answer.get("tus-extension")
    trial.must(line is None or bool(listed), "Tus-Extension is there but empty")
    unknown = [name for name in listed if name not in KNOWN]
    trial.strict(not unknown, f"extensions that tus doesn't know: {unknown}")
    if "creation" in listed:
        _try_extensions(trial, set(listed))
    trial.saw(f"Tus-Extension: {line}")


def _try_extensions(trial: Trial, listed: set[str]) -> None:
    upload = trial.create(10)
    if "creation-with-upload" in listed:
        began = trial.post([("Upload-Length", "10"), ("Content-Type", BODY)], b"12345")
        works = began.number("upload-offset") == 5
        trial.must(works, "creation-with-upload is listed, but the body isn't taken")
    if "creation-defer-length" in listed:
        deferred = trial.post([("Upload-Defer-Length", "1")])
        trial.must(
            deferred.status == 201, f"creation-defer-length is listed but answers {deferred}"
        )
    if "checksum" in listed:
        wrong = trial.patch(upload, 0, b"12345", [("Upload-Checksum", f"sha1 {b64(bytes(20))}")])
        trial.must(wrong.status == 460, f"checksum is listed, but a wrong one is answered {wrong}")
    if "concatenation" in listed:
        partial = trial.post([("Upload-Length", "5"), ("Upload-Concat", "partial")])
        trial.must(partial.status == 201, f"concatenation is listed but answers {partial}")
    if "expiration" in listed:
        expires = [upload.answer.get("upload-expires")]
        expires.append(trial.patch(upload, 0, b"12345").get("upload-expires"))
        trial.should(any(expires), "expiration is listed, but no answer has Upload-Expires")
    if "termination" in listed:
        gone = trial.request("DELETE", upload.url)
        trial.must(200 <= gone.status < 300, f"termination is listed, but DELETE answers {gone}")


@SUITE.check(3, "Tus-Max-Size when there is a limit; Tus-Checksum-Algorithm with checksum")
def says_its_limits(trial: Trial) -> None:
    answer = _options(trial, trial.target.creation_url("any"))
    size = answer.get("tus-max-size")
    trial.must(
        size is None or answer.number("tus-max-size") is not None,
        f"Tus-Max-Size is no non-negative integer: {size!r}",
    )
    if trial.offers("checksum"):
        algorithms = answer.words("tus-checksum-algorithm")
        trial.must(bool(algorithms), "checksum is listed without Tus-Checksum-Algorithm")
        trial.must("sha1" in algorithms, f"sha1 is missing in Tus-Checksum-Algorithm: {algorithms}")
        trial.saw(f"Tus-Checksum-Algorithm: {', '.join(algorithms)}")
    if size is None and trial.offers("creation"):
        refused = trial.post([("Upload-Length", str(2**62))])
        limited = refused.status == 413
        trial.should(not limited, f"no Tus-Max-Size, but {2**62} bytes are refused with {refused}")
    trial.saw(f"Tus-Max-Size: {size}")


@SUITE.check(4, "OPTIONS ignores Tus-Resumable: a version that is unknown changes nothing")
def options_ignores_the_version(trial: Trial) -> None:
    url = trial.target.creation_url("any")
    plain, strange = _options(trial, url), _options(trial, url, "9.9.9")
    trial.must(plain.status == strange.status, f"{plain} without, {strange} with 9.9.9")
    for name in TOLD:
        trial.must(plain.get(name) == strange.get(name), f"{name} differs")


@SUITE.check(5, "OPTIONS on an upload's URL says the same", needs=("creation",))
def options_of_an_upload(trial: Trial) -> None:
    plain = _options(trial, trial.target.creation_url("any"))
    upload = trial.create(10)
    there = _options(trial, upload.url)
    trial.must(there.status in {200, 204}, f"OPTIONS {urlsplit(upload.url).path} answers {there}")
    for name in TOLD:
        same = plain.get(name) == there.get(name)
        trial.should(same, f"{name} is {there.get(name)} there, and {plain.get(name)} at creation")
