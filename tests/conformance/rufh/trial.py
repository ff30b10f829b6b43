"""A server of the IETF protocol under test, and what a check can do to it."""

import re
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from tests.conformance.checks import Level, Suite
from tests.conformance.tus.trial import SETTLE, Target, Trial, Upload
from tests.conformance.wire import Answer, Connection, Headers, WireError, head

INTEROP: Final = ("Upload-Draft-Interop-Version", "8")
PARTIAL: Final = "application/partial-upload"
DONE: Final = ("Upload-Complete", "?1")
MORE: Final = ("Upload-Complete", "?0")

SUITE: "Suite[Trial]" = Suite("R")


@dataclass
class DraftTarget(Target):
    """``method``: what creates at the URL."""

    method: str = "POST"

    def discover(self) -> None:
        """That somebody is there: nothing of use to others is said by OPTIONS.

        Raises:
            WireError: nobody is.
        """
        with Connection(self.creation_url("options"), insecure=self.options.insecure) as link:
            link.send_head("OPTIONS", self.creation_url("options"), self.options.headers)
            link.answer("OPTIONS")

    def trial(self, number: str) -> Trial:
        return DraftTrial(target=self, number=number)


@dataclass
class DraftTrial(Trial):
    """A check at work; see :class:`~tests.conformance.tus.trial.Trial`."""

    def offers(self, extension: str) -> bool:
        """Whatever is asked of all: the protocol has no extensions."""
        return True

    def fields(self, more: Headers = (), *, version: str | None = None) -> list[tuple[str, str]]:
        """The headers of all requests. The interop version is sent unless ``more`` has one."""
        told = any(name == INTEROP[0] for name, _ in more)
        kept = [(name, value) for name, value in more if value]
        return [*self.options.headers, *([] if told else [INTEROP]), *kept]

    @property
    def method(self) -> str:
        """What creates."""
        return self.target.method if isinstance(self.target, DraftTarget) else "POST"

    def begin_upload(
        self, headers: Headers, body: bytes | None = b"", name: str | None = None
    ) -> Answer:
        """A creation. What it says of its upload resource, in 104 too, is kept in ``made``."""
        name = name or self.target.new_name()
        url = self.target.creation_url(name)
        answer = self.request(self.method, url, headers, body)
        for one in (*answer.early, answer):
            location = one.get("location")
            if location and (one.status == 104 or not complete(answer)):
                self.made.append(Upload(urljoin(url, location), name, answer))
                break
        return answer

    def kept(self, url: str, location: str, name: str) -> Upload:
        """The upload of a Location; it is removed at the end."""
        self.made.append(Upload(urljoin(url, location), name, Answer(0, ())))
        return self.made[-1]

    def started(self, length: int | None, body: bytes = b"") -> Upload:
        """An upload that the check needs, with its first bytes.

        Raises:
            Stopped: it wasn't created.
        """
        told = [] if length is None else [("Upload-Length", str(length))]
        before = len(self.made)
        answer = self.begin_upload([MORE, *told], body)
        self.need(200 <= answer.status < 300, f"the creation was answered {answer}")
        self.need(len(self.made) > before, f"{answer} without a Location")
        return self.made[-1]

    def broken_off(self, headers: Headers, sent: bytes) -> Upload:
        """A creation that ends after ``sent``, of which 104 has told where it goes on.

        Raises:
            Stopped: nothing told it.
        """
        target = self.target
        assert isinstance(target, DraftTarget)
        name = target.new_name()
        url = target.creation_url(name)
        with self.connect(url) as link:
            link.send(head(target.method, url, self.fields(headers)) + sent)
            told = link.early(timeout=3)
            time.sleep(SETTLE)
            link.hang_up()
        location = None if told is None else told.get("location")
        if not location:
            self.stop("there is no 104 that says where it is", Level.SHOULD)
        time.sleep(SETTLE)
        return self.kept(url, location, name)

    def object_at(self, url: str, name: str) -> Upload:
        """What was stored without an upload resource, for :meth:`compare`."""
        return Upload(url, name, Answer(0, ()))

    def append(
        self, upload: Upload, offset: int | str, body: bytes, last: bool, headers: Headers = ()
    ) -> Answer:
        """PATCH."""
        told = [("Upload-Offset", str(offset)), DONE if last else MORE, ("Content-Type", PARTIAL)]
        return self.request("PATCH", upload.url, [*told, *headers], body)

    def begin(self, upload: Upload, offset: int, total: int, sent: bytes) -> Connection:
        told = [
            ("Upload-Offset", str(offset)), DONE, ("Content-Type", PARTIAL),
            ("Content-Length", str(total)),
        ]  # fmt: skip
        link = self.connect(upload.url)
        link.send(head("PATCH", upload.url, self.fields(told)) + sent)
        time.sleep(SETTLE)
        return link

    def is_at(self, upload: Upload, offset: int, after: str) -> None:
        """Record it when HEAD says another offset."""
        found = self.offset(upload)
        self.must(found == offset, f"after {after}, HEAD says {found} instead of {offset}")

    def remove(self, upload: Upload) -> None:
        """DELETE, whatever comes of it."""
        try:
            self.exchange(
                "DELETE", upload.url, head("DELETE", upload.url, self.fields()), timeout=5
            )
        except WireError:
            return


def complete(answer: Answer) -> bool | None:
    """``Upload-Complete`` as a boolean; None: absent, or no boolean."""
    return {"?1": True, "?0": False}.get(answer.get("upload-complete") or "")


def limits(answer: Answer) -> dict[str, int] | None:
    """``Upload-Limit``; None: absent, or no dictionary of integers."""
    text = answer.get("upload-limit")
    if text is None:
        return None
    found = [
        re.fullmatch(r"([a-z*][a-z0-9_.*-]*)=(-?\d{1,15})", item.strip())
        for item in text.split(",")
    ]
    if None in found:
        return None
    return {one[1]: int(one[2]) for one in found if one}


def drafted(trial: Trial) -> DraftTrial:
    """The trial of a check of this suite."""
    assert isinstance(trial, DraftTrial)
    return trial
