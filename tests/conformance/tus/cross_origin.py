"""T82: what browsers need, and operators."""

import time
from typing import Final

from tests.conformance.tus.trial import SETTLE, SUITE, Trial

METHODS: Final = ("POST", "HEAD", "PATCH", "DELETE", "GET", "OPTIONS")
SIMPLE: Final = {"GET", "HEAD", "POST"}
SENT: Final = (
    "Tus-Resumable", "Upload-Length", "Upload-Offset", "Upload-Metadata", "Upload-Defer-Length", "Upload-Concat",
    "Upload-Checksum", "Content-Type", "X-Request-ID", "X-HTTP-Method-Override", "X-Requested-With", "Authorization",
)  # fmt: skip
READ: Final = (
    "Location", "Upload-Offset", "Upload-Length", "Upload-Metadata", "Upload-Expires", "Upload-Defer-Length",
    "Upload-Concat", "Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size",
)  # fmt: skip
OPTIONAL: Final = {"Upload-Checksum": "checksum", "Upload-Concat": "concatenation", "Upload-Expires": "expiration",
                   "Upload-Defer-Length": "creation-defer-length"}  # fmt: skip


def _applies(trial: Trial, name: str) -> bool:
    return name not in OPTIONAL or trial.offers(OPTIONAL[name])


@SUITE.check(
    82,
    "CORS: preflights allow, answers expose; nosniff; SIGTERM keeps what came",
    needs=("creation",),
    alone=True,
)
def browsers(trial: Trial) -> None:
    if trial.options.stop_command and trial.options.restart_command:
        _ends(trial)
    origin = ("Origin", trial.options.origin)
    upload = trial.create(10, [origin])
    allowed = upload.answer.get("access-control-allow-origin")
    if allowed is None:
        trial.skip(f"no CORS for {origin[1]} as this server is set up (--origin)")
    for method in ("POST", "PATCH", "DELETE", "HEAD"):
        _preflight(
            trial, upload.url if method != "POST" else trial.target.creation_url("any"), method
        )
    answers = {
        "POST": upload.answer,
        "HEAD": trial.head(upload.url, headers=[origin]),
        "a refused PATCH": trial.patch(upload, 3, b"x", [origin]),
    }
    for what, answer in answers.items():
        shown = {word.lower() for word in answer.words("access-control-expose-headers")}
        wanted = [name for name in READ if _applies(trial, name)]
        hidden = [name for name in wanted if name.lower() not in shown and "*" not in shown]
        trial.strict(not hidden, f"{what} does not expose {', '.join(hidden)}")
    sniff = answers["HEAD"].get("x-content-type-options")
    trial.strict(sniff == "nosniff", f"X-Content-Type-Options is {sniff}")


def _ends(trial: Trial) -> None:
    """A PATCH runs when the server is asked to end."""
    data = trial.data(20)
    upload = trial.create(20)
    with trial.begin(upload, 0, 20, data[:7]) as link:
        trial.target.command(trial.options.stop_command or "")
        closed = link.closed_within(trial.options.patience)
        trial.strict(closed, "asked to end, it does not stop a PATCH that hangs")
    time.sleep(SETTLE)
    trial.target.restart(trial.options.kill_command)
    offset = trial.offset(upload)
    trial.must(offset <= 7, f"after a restart HEAD says {offset} of the 7 bytes sent")
    trial.should(offset == 7, f"after a restart HEAD says {offset} of the 7 bytes sent")
    trial.finish(upload, data)


def _preflight(trial: Trial, url: str, method: str) -> None:
    names = [name for name in SENT if _applies(trial, name)]
    asked = [
        ("Origin", trial.options.origin),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", ", ".join(name.lower() for name in names)),
    ]
    answer = trial.request("OPTIONS", url, asked, version=None)
    trial.strict(answer.status in {200, 204}, f"the preflight of {method} is answered {answer}")
    methods = set(answer.words("access-control-allow-methods"))
    fine = method in methods | SIMPLE or "*" in methods
    trial.strict(fine, f"the preflight of {method} allows {sorted(methods)}")
    known = {word.lower() for word in answer.words("access-control-allow-headers")}
    missing = [name for name in names if name.lower() not in known and "*" not in known]
    trial.strict(not missing, f"the preflight of {method} does not allow {', '.join(missing)}")
