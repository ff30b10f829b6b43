"""The supervisor's decisions, with processes that do as they are told. Real ones: test_run."""

import contextlib
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.drain import Drain
from gateway.server import workers
from gateway.server.listeners import Listeners
from gateway.server.run import Apps
from gateway.server.workers import METRICS_DIR, Supervisor, work
from gateway.settings import Settings


class Worker:
    """A worker: alive until its sentinel closes."""

    def __init__(self, pipe: Any, number: int, born: Callable[["Worker"], None]) -> None:
        self.pid = 100_000_000 + number  # above any real one
        self.pipe = pipe
        self.signals: list[str] = []
        self.alive = True
        self.exitcode = 3
        self.sentinel, self._end = os.pipe()
        self._born = born

    def start(self) -> None:
        self._born(self)

    def say_ready(self) -> None:
        self.pipe.send(True)

    def end(self) -> None:
        if self.alive:
            self.alive = False
            os.close(self._end)

    def is_alive(self) -> bool:
        return self.alive

    def terminate(self) -> None:
        self.signals.append("terminate")

    def kill(self) -> None:
        self.signals.append("kill")
        self.exitcode = -9
        self.end()

    def join(self) -> None:
        os.close(self.sentinel)


class Context:
    """What ``multiprocessing`` gives, with :class:`Worker` for processes."""

    def __init__(self) -> None:
        self.processes: list[Worker] = []
        self.born: Callable[[Worker], None] = Worker.say_ready

    def Pipe(self) -> Any:
        return multiprocessing.Pipe()

    def Process(self, *, target: object, args: tuple[Any, ...], daemon: bool) -> Worker:
        assert target is work
        assert daemon
        return Worker(args[-1], len(self.processes), self.begin)

    def begin(self, process: Worker) -> None:
        self.processes.append(process)
        self.born(process)


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Context:
    context = Context()
    monkeypatch.setattr("multiprocessing.get_context", lambda kind: context)
    monkeypatch.setattr(workers, "RESTART_PAUSE", 0.02)
    monkeypatch.delenv(METRICS_DIR, raising=False)
    return context


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    with contextlib.closing(Listeners(socket.create_server(("127.0.0.1", 0)), None, False)) as one:
        yield one


def make_apps(settings: Settings, drain: Drain) -> Apps:
    raise AssertionError("no process is started")


def supervisor(listeners: Listeners, announced: list[str], drain: str = "5s") -> Supervisor:
    settings = Settings.model_validate({"server": {"workers": 2, "drain": drain}})
    return Supervisor(settings, make_apps, listeners, announced.append)


def test_the_url_is_said_once_when_all_are_ready_and_a_signal_drains_them(
    context: Context, listeners: Listeners
) -> None:
    folders: list[str] = []

    class Announced(list[str]):
        def append(self, url: str) -> None:
            super().append(url)
            folders.append(os.environ[METRICS_DIR])
            assert os.path.isdir(folders[0])
            os.kill(os.getpid(), signal.SIGTERM)
            for process in context.processes:
                assert process.signals == ["terminate"]
                process.end()

    announced = Announced()
    before = signal.getsignal(signal.SIGTERM)
    assert supervisor(listeners, announced).run() == 0
    assert announced == [listeners.url]
    assert len(context.processes) == 2
    assert METRICS_DIR not in os.environ
    assert not os.path.exists(folders[0])
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_folder_for_metrics_that_was_given_is_kept(
    context: Context, listeners: Listeners, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv(METRICS_DIR, str(tmp_path))
    context.born = Worker.end
    assert supervisor(listeners, []).run() == 1
    assert os.environ[METRICS_DIR] == str(tmp_path)
    assert tmp_path.is_dir()


def test_a_worker_that_cannot_start_stops_the_others(
    context: Context, listeners: Listeners
) -> None:
    def born(process: Worker) -> None:
        if len(context.processes) == 1:
            process.say_ready()
            process.terminate = process.end  # type: ignore[method-assign]
        else:
            process.end()

    context.born = born
    announced: list[str] = []
    assert supervisor(listeners, announced).run() == 1
    assert announced == []
    assert len(context.processes) == 2  # not tried again


def test_a_worker_that_dies_silently_before_it_was_ready_is_no_ready_worker(
    context: Context, listeners: Listeners
) -> None:
    def born(process: Worker) -> None:
        process.terminate = process.end  # type: ignore[method-assign]
        if len(context.processes) == 2:
            process.end()

    context.born = born
    assert supervisor(listeners, []).run() == 1


def test_a_worker_that_is_killed_before_it_was_ready_is_replaced(
    context: Context, listeners: Listeners
) -> None:
    announced: list[str] = []
    one = supervisor(listeners, announced)

    def born(process: Worker) -> None:
        process.terminate = process.end  # type: ignore[method-assign]
        if len(context.processes) == 2:
            process.kill()
        else:
            process.say_ready()
        if len(context.processes) == 3:
            one._stop(signal.SIGTERM, None)

    context.born = born
    assert one.run() == 0
    assert len(context.processes) == 3
    assert len(announced) <= 1


def test_a_crash_after_the_start_is_followed_by_a_new_worker(
    context: Context, listeners: Listeners
) -> None:
    announced: list[str] = []
    one = supervisor(listeners, announced)

    def born(process: Worker) -> None:
        process.terminate = process.end  # type: ignore[method-assign]
        process.say_ready()
        if len(context.processes) == 3:
            one._stop(signal.SIGTERM, None)

    context.born = born
    began = time.monotonic()

    class Announced(list[str]):
        def append(self, url: str) -> None:
            super().append(url)
            context.processes[0].end()

    one._on_listening = Announced().append
    assert one.run() == 0
    assert len(context.processes) == 3
    assert time.monotonic() - began >= 0.02


def test_a_signal_in_the_pause_before_a_restart_starts_nothing(
    context: Context, listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = supervisor(listeners, [])

    def born(process: Worker) -> None:
        process.terminate = process.end  # type: ignore[method-assign]
        process.say_ready()

    context.born = born
    monkeypatch.setattr("time.sleep", lambda _: one._stop(signal.SIGTERM, None))
    one._on_listening = lambda url: context.processes[0].end()
    assert one.run() == 0
    assert len(context.processes) == 2


def test_a_signal_while_a_worker_is_being_started_reaches_it(
    context: Context, listeners: Listeners
) -> None:
    one = supervisor(listeners, [])

    def born(process: Worker) -> None:
        process.terminate = process.end  # type: ignore[method-assign]
        one._stop(signal.SIGTERM, None)

    context.born = born
    assert one.run() == 0
    assert not any(process.alive for process in context.processes)


def test_workers_that_outlive_the_drain_are_killed(
    context: Context, listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "CLEAN_UP", 0)
    one = supervisor(listeners, [], drain="0s")
    one._on_listening = lambda url: one._stop(signal.SIGTERM, None)
    assert one.run() == 0
    for process in context.processes:
        assert process.signals[0] == "terminate"
        assert "kill" in process.signals


def test_an_error_of_the_supervisor_leaves_no_worker_behind(
    context: Context, listeners: Listeners
) -> None:
    def broken(url: str) -> None:
        raise RuntimeError("nobody listens")

    one = supervisor(listeners, [])
    one._on_listening = broken
    with pytest.raises(RuntimeError, match="nobody listens"):
        one.run()
    assert [process.signals for process in context.processes] == [["kill"], ["kill"]]
    assert METRICS_DIR not in os.environ


@pytest.mark.parametrize("status", [0, 3])
def test_a_workers_life_ends_with_its_servers_status(
    status: int, listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = multiprocessing.Pipe()

    def run_worker(*arguments: Any, parent: int) -> int:
        arguments[-1]()
        assert parent == theirs.fileno()
        return status

    monkeypatch.setattr(workers, "run_worker", run_worker)
    with ours, theirs:
        with pytest.raises(SystemExit) as ended:
            work(Settings(), make_apps, listeners, theirs)
        assert ended.value.code == status
        assert ours.recv() is True
