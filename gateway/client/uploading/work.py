"""One call of ``put``, prepared: the file open, its note taken, the flow ready to be driven."""

import mimetypes
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from gateway.client.account import Account
from gateway.client.backoff import Backoff
from gateway.client.uploading.flows import RESUMABLE_FROM, Upload
from gateway.client.uploading.job import Job, Progress, Uploaded
from gateway.client.uploading.notes import Notes, Page, state_folder
from gateway.client.uploading.record import Record
from gateway.client.uploading.source import SourceFile
from gateway.client.uploading.steps import Flow
from gateway.client.uploading.tally import Tally
from gateway.model import ObjectKey


def unseen(done: int, total: int) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a driver needs."""

    flow: Flow[Uploaded]
    source: SourceFile
    page: Page
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What ``put`` was asked for. ``resumable_from`` in bytes; ``notes`` None: the user's own folder."""

    file: Path
    key: ObjectKey
    content_type: str | None = None
    parallel: int = 1
    progress: Progress = unseen
    resumable_from: int = RESUMABLE_FROM
    notes: Notes | None = None

    @contextmanager
    def prepared(self, account: Account, backoff: Backoff) -> Iterator[Work]:
        """Inside the block nobody else sends this file to this place.

        Raises:
            FileTrouble: the file can't be read, or somebody else does.
        """
        notes = self.notes or Notes(state_folder())
        with SourceFile(self.file) as source:
            large = source.identity.size >= self.resumable_from
            page = notes.page(account, self.key, self.file)
            if large:
                notes.forget_expired()
            with page if large else nullcontext():
                tally = Tally(source.identity.size, self.progress)
                upload = Upload(
                    job=Job(
                        file=source.identity,
                        key=self.key,
                        content_type=self.content_type or guessed_type(self.file),
                        parallel=self.parallel,
                    ),
                    backoff=backoff,
                    tally=tally,
                    new_name=lambda: uuid.uuid4().hex,
                    resumable_from=self.resumable_from,
                )
                flow = upload.flow(page.record())
                yield Work(flow=flow, source=source, page=page, tally=tally)


def guessed_type(file: Path) -> str:
    """A content type by the file's name."""
    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def pending_upload(
    account: Account, key: ObjectKey, file: Path, notes: Notes | None = None
) -> Record | None:
    """What is remembered of an upload that has begun and can be continued."""
    return (notes or Notes(state_folder())).page(account, key, file).record()
