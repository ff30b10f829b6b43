"""Several processes on one socket: started, watched, restarted, drained together."""

import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Final

from gateway.server.listeners import Listeners
from gateway.server.run import CLEAN_UP, MakeApps, run_worker
from gateway.settings import Settings

METRICS_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"
#: A worker that crashes is started again, but not more often than this many seconds apart.
RESTART_PAUSE: Final = 1.0


@dataclass(slots=True)
class Worker:
    """A process; ``ready`` once it takes requests. ``pipe`` is our end: its closing is an order."""

    process: SpawnProcess
    pipe: Connection
    started: float
    ready: bool = False


def work(settings: Settings, make_apps: MakeApps, listeners: Listeners, pipe: Connection) -> None:
    """The whole life of a worker process."""
    status = run_worker(
        settings, make_apps, listeners, lambda: pipe.send(True), parent=pipe.fileno()
    )
    raise SystemExit(status)


class Supervisor:
    """Keeps ``server.workers`` processes running until it is told to stop.

    Workers are spawned, not forked: nothing of the parent's threads, loops or metrics is theirs.
    """

    def __init__(
        self,
        settings: Settings,
        make_apps: MakeApps,
        listeners: Listeners,
        on_listening: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._make_apps = make_apps
        self._listeners = listeners
        self._on_listening = on_listening
        self._workers: list[Worker] = []
        self._announced = False
        self._stopping = False
        self._failed = False
        self._deadline: float | None = None

    def run(self) -> int:
        """Work until all workers have ended; 0 unless one could not start."""
        metrics = None
        if METRICS_DIR not in os.environ:
            metrics = os.environ[METRICS_DIR] = tempfile.mkdtemp(prefix="sluice-metrics-")
        before = {
            number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            for _ in range(self._settings.server.workers):
                self._start()
            while self._workers:
                self._watch()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            for worker in self._workers:
                worker.process.kill()
            if metrics is not None:
                del os.environ[METRICS_DIR]
                shutil.rmtree(metrics, ignore_errors=True)
        return 1 if self._failed else 0

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=work,
            args=(self._settings, self._make_apps, self._listeners, theirs),
            daemon=True,
        )
        process.start()
        theirs.close()
        self._workers.append(Worker(process, ours, time.monotonic()))
        if self._stopping:
            process.terminate()  # the signal came while it was being started

    def _watch(self) -> None:
        """Wait for something to happen, at most a second, and act on it."""
        news = [worker.pipe for worker in self._workers if not worker.ready]
        ends = [worker.process.sentinel for worker in self._workers]
        wait([*news, *ends], timeout=1.0)
        for worker in list(self._workers):
            if not worker.ready and worker.pipe.poll():
                self._hear(worker)
            if not worker.process.is_alive():
                self._bury(worker)
        if self._deadline is not None and time.monotonic() > self._deadline:
            for worker in self._workers:
                worker.process.kill()

    def _hear(self, worker: Worker) -> None:
        try:
            worker.ready = bool(worker.pipe.recv())
        except EOFError:
            return
        if not self._announced and all(worker.ready for worker in self._workers):
            self._announced = True
            self._on_listening(self._listeners.url)

    def _bury(self, worker: Worker) -> None:
        self._workers.remove(worker)
        worker.process.join()
        worker.pipe.close()
        self._forget_metrics(worker)
        if self._stopping:
            return
        exited = (worker.process.exitcode or 0) >= 0  # not killed by a signal
        if exited and not worker.ready and not self._announced:
            self._failed = True  # starting again would fail again: a matter of configuration
            self._stop(signal.SIGTERM, None)
            return
        time.sleep(max(0.0, worker.started + RESTART_PAUSE - time.monotonic()))
        if not self._stopping:
            self._start()

    def _forget_metrics(self, worker: Worker) -> None:
        from prometheus_client import multiprocess  # only now: it reads the environment at import

        pid = worker.process.pid
        if pid is not None:
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Pass a signal on: the first drains the workers, the second ends them."""
        del number, frame
        self._stopping = True
        if self._deadline is None:
            self._deadline = time.monotonic() + self._settings.server.drain + 2 * CLEAN_UP
        for worker in list(self._workers):
            if worker.process.is_alive():
                worker.process.terminate()
