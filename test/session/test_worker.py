"""The thread that owns the model: newest first, on demand, at a rate, never blocked by a caller."""

import threading
import time
from types import SimpleNamespace

import pytest
from fake_completer import FakeCompleter
from session_driver import Driver, stamp

from iscene_ros.relations import build
from iscene_ros.session.worker import Worker

PATIENCE = 10.0  # [s]


class SlowCompleter(FakeCompleter):
    """Begins to work when a frame comes and ends when it is let."""

    def __init__(self) -> None:
        self.begun, self.free = threading.Event(), threading.Event()

    def complete(self, *args, **kwargs):
        self.begun.set()
        assert self.free.wait(PATIENCE)
        return super().complete(*args, **kwargs)


class Node:
    """A driver with a worker; frames of 33 ms come as they are sent."""

    def __init__(self, completer=None, publish=None, **parameters) -> None:
        self.driver, self.updates, self.faults = Driver(completer, **parameters), [], []
        self.now = 0.0
        publish = publish or self.updates.append
        self.worker = Worker(
            self.driver.session,
            lambda: stamp(self.now),
            lambda update, check: publish(update),
            self.faults.append,
        )

    def frame(self) -> None:
        self.now += 33
        self.driver.send(self.now)
        if self.driver.poll(self.now):
            self.worker.frame_ready()

    def wait_for(self, count: int) -> None:
        end = time.monotonic() + PATIENCE
        while len(self.updates) < count:
            assert time.monotonic() < end, f"{len(self.updates)} of {count} updates"
            time.sleep(0.001)


@pytest.fixture
def started():
    nodes = []

    def start(*args, **parameters) -> Node:
        nodes.append(Node(*args, **parameters))
        return nodes[-1]

    yield start
    for node in nodes:
        node.worker.stop()


def test_a_ready_frame_is_completed_and_published(started):
    node = started()
    node.frame()
    node.wait_for(1)
    assert node.updates[0] is node.driver.session.update


def test_while_the_model_works_only_the_newest_frame_waits(started):
    completer = SlowCompleter()
    node = started(completer)
    node.frame()
    assert completer.begun.wait(PATIENCE)
    for _ in range(50):
        node.frame()
    completer.free.set()
    node.wait_for(2)
    assert [u.stamp_ns for u in node.updates] == [stamp(33), stamp(51 * 33)]
    assert node.driver.session.dropped == 49


def test_on_demand_a_frame_is_completed_on_request_only(started):
    node = started(mode="on_demand")
    for _ in range(3):
        node.frame()
    time.sleep(0.05)
    assert node.updates == []
    update = node.worker.request_completion().result(PATIENCE)
    assert update.stamp_ns == stamp(99) and node.updates == [update]


def test_a_request_waits_for_the_next_frame(started):
    node = started(mode="on_demand")
    future = node.worker.request_completion()
    time.sleep(0.02)
    assert not future.done()
    node.frame()
    assert future.result(PATIENCE).stamp_ns == stamp(33)


def test_a_request_without_any_frame_results_in_none(started, monkeypatch):
    monkeypatch.setattr("iscene_ros.session.worker.REQUEST_TIMEOUT", 0.05)
    node = started(mode="on_demand")
    assert node.worker.request_completion().result(PATIENCE) is None


def test_a_paused_worker_completes_only_requests_and_continues_with_the_waiting_frame(started):
    node = started()
    node.worker.set_paused(True)
    node.frame()
    time.sleep(0.05)
    assert node.updates == []
    assert node.worker.request_completion().result(PATIENCE) is not None
    node.frame()
    node.worker.set_paused(False)
    node.wait_for(2)


def test_the_rate_bounds_how_often_frames_are_completed(started):
    node = started(rate=10.0)
    begin = time.monotonic()
    while len(node.updates) < 3:
        node.frame()
        time.sleep(0.005)
        assert time.monotonic() - begin < PATIENCE
    assert time.monotonic() - begin >= 0.2


def test_a_fault_of_publishing_is_reported_and_the_next_frame_completes(started):
    def publish(update):
        published.append(update)
        if len(published) == 1:
            raise ValueError("no room")

    published: list = []
    node = started(publish=publish)
    for count in (1, 2):
        node.frame()
        while len(published) < count:
            time.sleep(0.001)
    assert node.faults == ["publishing failed: ValueError: no room"]


def test_jobs_run_between_frames_and_hand_back_what_they_return_or_raise(started):
    node = started()
    assert node.worker.submit(lambda: threading.current_thread().name).result(PATIENCE) == (
        "completion"
    )
    with pytest.raises(ZeroDivisionError):
        node.worker.submit(lambda: 1 / 0).result(PATIENCE)
    node.frame()
    node.wait_for(1)


def test_stopping_ends_requests_and_jobs_and_publishes_nothing():
    completer = SlowCompleter()
    node = Node(completer, mode="on_demand")
    first = node.worker.request_completion()
    node.frame()
    assert completer.begun.wait(PATIENCE)
    second, job = node.worker.request_completion(), node.worker.submit(print)
    threading.Timer(0.05, completer.free.set).start()
    node.worker.stop()
    assert first.done() and second.result(0) is None and job.cancelled()
    assert node.updates == []


class EndlessCompleter(FakeCompleter):
    """Completes for ever; looks at a stop request or does not."""

    def __init__(self, looks: bool) -> None:
        self.looks, self.begun, self.ended = looks, threading.Event(), threading.Event()

    def complete(self, observation, request, progress=None):
        self.begun.set()
        try:
            while not self.ended.wait(0.005):
                if self.looks:
                    progress(0, 1, "complete")
            return super().complete(observation, request, progress)
        finally:
            self.ended.set()


def test_a_stop_cancels_the_completion(started):
    completer = EndlessCompleter(looks=True)
    node = started(completer)
    node.frame()
    assert completer.begun.wait(PATIENCE)
    begun = time.monotonic()
    node.worker.stop()
    assert time.monotonic() - begun < 0.5 and completer.ended.is_set()
    assert node.updates == [] and node.driver.session.update is None
    assert node.driver.rejected == {} and node.faults == []


def test_a_stop_does_not_wait_for_a_model_that_does_not_look(started):
    completer = EndlessCompleter(looks=False)
    node = started(completer, relations=False)
    node.frame()
    assert completer.begun.wait(PATIENCE)
    request = node.worker.request_completion()
    begun = time.monotonic()
    node.worker.stop()
    assert time.monotonic() - begun < 1.5 and request.result(0) is None
    completer.ended.set()
    node.worker._thread.join(PATIENCE)
    assert not node.worker._thread.is_alive()
    # What it made after all is not used.
    assert node.updates == [] and node.driver.session.update is None and node.faults == []


def test_a_stop_is_looked_at_while_objects_are_related(started, monkeypatch):
    begun, may_go_on = threading.Event(), threading.Event()
    measure = build.measure

    def wait(*arguments):
        begun.set()
        assert may_go_on.wait(PATIENCE)
        return measure(*arguments)

    def find(*arguments):
        raise AssertionError("a rule was applied after the stop")

    monkeypatch.setattr(build, "measure", wait)
    monkeypatch.setattr(build, "RULES", (SimpleNamespace(candidates=find),))
    node = started()
    node.frame()
    assert begun.wait(PATIENCE)
    threading.Timer(0.1, may_go_on.set).start()
    node.worker.stop()
    node.worker._thread.join(PATIENCE)
    assert node.faults == [] and node.driver.rejected == {}
    assert node.updates == [] and node.driver.session.update is None


def test_a_job_that_looks_at_the_stop_is_cancelled(started):
    node, begun = started(), threading.Event()

    def job() -> None:
        begun.set()
        while True:
            node.worker.check()
            time.sleep(0.005)

    future = node.worker.submit(job)
    assert begun.wait(PATIENCE)
    node.worker.stop()
    assert future.cancelled()
