"""T12 to T15, T19, T20, T28, T29: creation."""

from urllib.parse import urljoin, urlsplit

from tests.conformance.tus.trial import SUITE, Trial, Upload, b64
from tests.conformance.wire import Answer

NEEDS = ("creation",)


@SUITE.check(12, "POST with Upload-Length: 201 with Location", needs=NEEDS)
def creates(trial: Trial) -> None:
    answer = trial.post([("Upload-Length", "10")])
    trial.must(answer.status == 201, f"POST was answered {answer}")
    trial.must(answer.get("location") is not None, "there is no Location")
    if answer.get("upload-offset") is not None:
        trial.should(answer.number("upload-offset") == 0, "Upload-Offset is not 0")


@SUITE.check(
    13, "Location leads to the upload; forwarded hosts count only from trusted peers", needs=NEEDS
)
def location(trial: Trial) -> None:
    upload = trial.create(10)
    answer = trial.head(upload.url)
    trial.must(answer.status in {200, 204}, f"HEAD of the Location is answered {answer}")
    forwarded = [
        ("X-Forwarded-Host", "forwarded.example"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "host=forwarded.example;proto=https"),
    ]
    name = trial.target.new_name()
    url = trial.target.creation_url(name)
    behind = trial.post([("Upload-Length", "10"), *forwarded], name=name)
    where = urlsplit(urljoin(url, behind.get("location") or ""))
    relative = not urlsplit(behind.get("location") or "").netloc
    if trial.options.trusted:
        right = relative or (where.scheme, where.netloc) == ("https", "forwarded.example")
        trial.should(right, f"this peer is trusted, but the Location is {where.geturl()}")
    else:
        trial.strict(
            where.hostname != "forwarded.example",
            "X-Forwarded-Host of a peer that nobody called trusted is put into the Location",
        )
    trial.saw("the Location is relative" if relative else f"the Location is at {where.netloc}")


@SUITE.check(14, "Neither Upload-Length nor Upload-Defer-Length: 400", needs=NEEDS)
def no_length(trial: Trial) -> None:
    answer = trial.post()
    trial.must(answer.status == 400, f"POST was answered {answer}")
    trial.must(answer.get("location") is None, "there is a Location")


@SUITE.check(15, "Both Upload-Length and Upload-Defer-Length: 400", needs=NEEDS)
def both_lengths(trial: Trial) -> None:
    answer = trial.post([("Upload-Length", "10"), ("Upload-Defer-Length", "1")])
    trial.should(answer.status == 400, f"POST was answered {answer}")


@SUITE.check(19, "Upload-Length 0: complete at once", needs=NEEDS)
def empty(trial: Trial) -> None:
    upload = trial.create(0)
    answer = trial.head(upload.url)
    offset, length = answer.number("upload-offset"), answer.number("upload-length")
    trial.must((offset, length) == (0, 0), f"HEAD says {offset} of {length}")
    stored = trial.download(upload)
    if stored is not None:
        good = stored.status == 200 and stored.body == b""
        trial.must(good, f"the empty object is answered {stored} with {len(stored.body)} bytes")
    trial.saw("that its finish event fires once can't be seen from outside")


@SUITE.check(
    20, "Upload-Defer-Length other than 1: 400", needs=("creation", "creation-defer-length")
)
def bad_defer(trial: Trial) -> None:
    for value in ("2", "0", "yes"):
        answer = trial.post([("Upload-Defer-Length", value)])
        trial.must(answer.status == 400, f"Upload-Defer-Length: {value} was answered {answer}")


@SUITE.check(28, "A creation that fails leaves nothing", needs=NEEDS)
def failed_creation(trial: Trial) -> None:
    name = trial.target.new_name()
    bad = [("Upload-Length", "10"), ("Upload-Metadata", "filename not*base64")]
    if trial.options.fault_url is not None:
        trial.heal()
    answers = [
        trial.request("POST", trial.target.creation_url(name), bad),
        trial.post([("Upload-Length", "-3")], name=name),
    ]
    refused = all(400 <= answer.status < 500 for answer in answers)
    trial.should(refused, f"what is malformed is answered {answers[0]} and {answers[1]}")
    for answer in answers:
        failed = answer.status >= 400
        trial.must(not failed or answer.get("location") is None, "a refusal with a Location")
    if "{name}" in (trial.options.download_url or "") and refused:
        stored = trial.download(Upload(trial.target.creation_url(name), name, Answer(0, ())))
        absent = stored is None or stored.status in {403, 404, 410}
        trial.must(absent, f"an object is there: {stored}")
        trial.saw("no object is there")


@SUITE.check(29, "A POST repeated with the same Idempotency-Key: the same Location", needs=NEEDS)
def repeated(trial: Trial) -> None:
    name = trial.target.new_name()
    for header in ("Idempotency-Key", "X-Request-ID"):
        told = [("Upload-Length", "10"), (header, f"again-{b64(name)}")]
        first, second = trial.post(told, name=name), trial.post(told, name=name)
        if first.status == 201 and first.get("location") == second.get("location"):
            trial.saw(f"with {header}")
            return
    trial.strict(False, "two uploads were made")
