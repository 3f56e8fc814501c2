"""An output that fails takes no other one along, and no later frame."""

import pytest
from bag_files import DETECTED, contents, make_demo, run_bag

from iscene_ros.bag.names import resolved
from iscene_ros.ros.encoder import Encoder
from iscene_ros.ros.topics import OUTPUTS


@pytest.mark.parametrize("broken", ["~/objects", "~/pddl", "/tf"])
def test_the_other_outputs_are_written(broken, tmp_path, monkeypatch, capsys) -> None:
    encode = Encoder.encode

    def fail(encoder, topic, update, *rest):
        if topic == broken:
            raise KeyError("box-1")
        return encode(encoder, topic, update, *rest)

    monkeypatch.setattr(Encoder, "encode", fail)
    demo = make_demo(tmp_path / "demo", frames=2)
    assert run_bag(demo, tmp_path / "out", *DETECTED) == 0
    written = contents(tmp_path / "out")
    others = {resolved(topic.name) for topic in OUTPUTS} - {resolved(broken)}
    assert set(written) == others
    assert all(len(written[name]) == 2 for name in others)
    captured = capsys.readouterr()
    assert f"{broken}: KeyError" in captured.err and "rejected: output" in captured.out
