"""Lifecycle requests in any state, and the start without launch, on a real ROS."""

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")

from fake_completer import FakeCompleter
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from robot import robot, wait_until

from iscene_ros.core.errors import ModelError
from iscene_ros.models.model_config import ModelConfig

CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DEACTIVATE, CLEANUP = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP
UNKNOWN = (0, 8, 60, 99, 255)


def test_requests_that_do_not_fit_the_state_are_refused_and_the_node_lives() -> None:
    with robot(activate=False) as r:
        for state, fitting in (
            ("unconfigured", CONFIGURE),
            ("inactive", ACTIVATE),
            ("active", DEACTIVATE),
            ("inactive", CLEANUP),
        ):
            fits = {
                "unconfigured": {CONFIGURE},
                "inactive": {ACTIVATE, CLEANUP},
                "active": {DEACTIVATE},
            }[state]
            for wrong in {CONFIGURE, ACTIVATE, DEACTIVATE, CLEANUP, *UNKNOWN} - fits:
                assert not r.change_state(wrong), (state, wrong)
                assert r.state() == state
            assert r.change_state(fitting)
        assert r.change_state(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
        for wrong in (CONFIGURE, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN, 99):
            assert not r.change_state(wrong)
        assert r.state() == "finalized"


@pytest.mark.parametrize("label", ["activate", "nonsense", "transition_success"])
def test_labels_that_do_not_fit_the_state_are_refused(label: str) -> None:
    with robot(activate=False) as r:
        wrong = Transition(id=0, label=label)
        assert not r.call("~/change_state", ChangeState, transition=wrong).success
        assert r.state() == "unconfigured"
        assert r.call("~/change_state", ChangeState, transition=Transition(label="configure"))
        assert r.state() == "inactive"


def test_autostart_configures_and_activates() -> None:
    with robot(activate=False, autostart=True) as r:
        wait_until(lambda: r.state() == "active")
        r.listen("~/objects")
        assert r.until("~/objects")
        assert r.change_state(DEACTIVATE) and r.state() == "inactive"


def test_autostart_that_fails_says_why_and_can_be_repeated() -> None:
    models = []

    def load(choice: ModelConfig) -> FakeCompleter:
        models.append(choice)
        if len(models) == 1:
            raise ModelError("model nothing: no such file")
        return FakeCompleter()

    with robot(load, activate=False, autostart=True) as r:
        r.listen("/diagnostics")
        wait_until(lambda: r.received["/diagnostics"] and "no such file" in str(r.diagnostics()))
        assert r.state() == "unconfigured"
        assert r.change_state(CONFIGURE) and r.change_state(ACTIVATE)


def test_fifteen_cycles_leave_nothing_behind() -> None:
    with robot(activate=False) as r:
        counts = set()
        for _ in range(15):
            assert r.change_state(CONFIGURE) and r.change_state(ACTIVATE)
            scene = r.scene
            entities = scene.publishers, scene.subscriptions, scene.services, scene.timers
            counts.add(tuple(len(list(e)) for e in entities))
            assert r.change_state(DEACTIVATE) and r.change_state(CLEANUP)
        assert len(counts) == 1
