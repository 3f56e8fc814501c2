"""The thread of slow outputs: the newest update next, the last one always, a prompt end."""

import threading
import time

import pytest

from iscene_ros.session.update_thread import UpdateThread

PATIENCE = 10.0  # [s]


class Output:
    """Takes an update until it is let; updates are numbers here."""

    def __init__(self) -> None:
        self.begun, self.free = threading.Semaphore(0), threading.Semaphore(0)
        self.sent, self.faults = [], []
        self.thread = UpdateThread(self._send, self.faults.append)

    def _send(self, update, check) -> None:
        self.begun.release()
        assert self.free.acquire(timeout=PATIENCE)
        check()
        if update < 0:
            raise ValueError(f"{update} is negative")
        self.sent.append(update)

    def begin(self, update) -> None:
        self.thread.put(update)
        assert self.begun.acquire(timeout=PATIENCE)


@pytest.fixture
def output():
    made = Output()
    yield made
    made.thread.stop()
    made.free.release()


def wait_for(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_of_the_updates_that_wait_the_newest_is_sent_and_no_other(output):
    output.begin(0)
    for update in range(1, 50):
        output.thread.put(update)
    output.free.release(3)
    wait_for(lambda: output.sent == [0, 49])
    assert output.begun.acquire(timeout=PATIENCE)
    assert not output.begun.acquire(timeout=0.1)


def test_a_failure_is_reported_and_the_next_update_is_sent(output):
    output.free.release(2)
    output.begin(-1)
    output.begin(1)
    wait_for(lambda: output.sent == [1])
    assert output.faults == ["publishing failed: ValueError: -1 is negative"]


def test_a_thread_that_is_stopped_ends_soon_and_sends_nothing_more(output):
    output.begin(-1)
    output.thread.put(1)
    started = time.monotonic()
    output.thread.stop()
    assert time.monotonic() - started < 1.0
    output.free.release(3)
    output.thread._thread.join(PATIENCE)
    output.thread.put(2)
    output.thread.stop()
    assert not output.thread._thread.is_alive()
    assert output.sent == output.faults == []
