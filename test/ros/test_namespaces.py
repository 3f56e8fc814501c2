"""Two nodes in two namespaces broadcast and report under names of their own, on a real ROS."""

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")

from robot import robot, wait_until


def names_of(namespace: str, **parameters) -> tuple[set[str], str]:
    """Return the TF frames of the objects, and the name on /diagnostics."""
    with robot(namespace=namespace, **parameters) as r:
        r.listen("~/objects", "/tf", "/diagnostics")
        names = {d.id for d in r.until("~/objects")[0].detections}

        def frames() -> set[str]:
            r.publish_frame()
            return {t.child_frame_id for m in r.received["/tf"] for t in m.transforms}

        wait_until(lambda: names <= frames())
        assert frames() - names == {"camera_link"}
        return names, wait_until(lambda: r.received["/diagnostics"])[-1].status[0].name


def test_names_begin_with_the_namespace() -> None:
    left, left_status = names_of("/left/arm")
    right, right_status = names_of("/right")
    alone, alone_status = names_of("")
    assert len(left) == len(right) == len(alone) == 8 and not left & right
    assert left == {f"left/arm/{name}" for name in alone}
    assert (left_status, right_status) == ("left/arm/iscene: scene", "right/iscene: scene")
    assert alone_status == "iscene: scene"


def test_a_prefix_of_ones_own_is_taken_as_it_is() -> None:
    names, _ = names_of("/right", frame_prefix="bin_")
    assert all(name.startswith("bin_") for name in names)
