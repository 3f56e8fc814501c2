"""Relations between all objects of the map."""

from dataclasses import replace

import numpy as np
import pytest
from session_driver import TABLE, Driver, view

from iscene_ros.session import map_updates
from iscene_ros.session.rejection import RejectReason


@pytest.fixture
def driver() -> Driver:
    return Driver()


def test_every_update_has_the_support_relations(driver) -> None:
    update = driver.step()
    assert update.graph.on_top_of(0) == (1, 2)
    assert update.graph.removal_order(2) == (2,)
    edge = next(r for r in update.relations if r.predicate == "supported_by")
    height = edge.evidence.contact_point[2]
    underside = (
        update.objects[0].item.frame_from_object[2, 3] - 0.5 * update.objects[0].item.size[2]
    )
    assert height == pytest.approx(underside, abs=0.03)
    assert np.dot(edge.evidence.normal, [0, 0, 1]) > 0.9


def test_objects_out_of_view_keep_what_they_stand_on(driver) -> None:
    before = driver.step()
    dark = np.zeros_like(before.observation.depth)
    dark[0, 0] = 1.0
    elsewhere = replace(before.observation, depth=dark)
    later = replace(before, seen=frozenset({1}), observation=elsewhere, relations=())

    def relate(update, before):
        settings = driver.session.settings
        return map_updates.add_relations(update, before, settings, lambda *_: None)

    assert relate(later, None).graph.supporters(2) == ()
    related = relate(later, before)
    assert related.graph.supporters(2) == (0,) and related.graph.supporters(1) == ()
    edges = [(r.subject, r.predicate, r.object) for r in related.relations]
    assert len(set(edges)) == len(edges)
    in_another_frame = replace(before, frame_id="odom")
    assert relate(later, in_another_frame).graph.supporters(2) == ()


def test_relations_of_forgotten_objects_are_gone() -> None:
    driver = Driver(forget_after=2)
    driver.step()
    for at in (100, 200):
        update = driver.step(at, view(TABLE[:1]))
    assert [k.id for k in update.objects] == [1]
    assert {r.subject for r in update.relations} | {r.object for r in update.relations} == {0, 1}


def test_relations_can_be_switched_off_while_running(driver) -> None:
    assert "same_shape" not in {r.predicate for r in driver.step().relations}
    driver.session.settings = driver.session.settings.changed({"compare_shapes": True})
    found = {r.predicate for r in driver.step(100).relations}
    assert found >= {"supported_by", "same_shape"}
    driver.session.settings = driver.session.settings.changed({"relations": False})
    assert driver.step(200).relations == ()


def test_a_failure_costs_the_relations_and_not_the_scene(driver, monkeypatch) -> None:
    def fail(*_) -> None:
        raise FloatingPointError("no hull")

    monkeypatch.setattr(map_updates, "relate", fail)
    update = driver.step()
    assert [k.id for k in update.objects] == [1, 2] and update.relations == ()
    assert driver.rejected == {RejectReason.RELATIONS: 1} and "no hull" in driver.lines[0]
    assert ("rejected: relations", "1") in driver.status().values
    monkeypatch.undo()
    assert driver.step(100).relations and driver.rejected == {RejectReason.RELATIONS: 1}


def test_a_reset_does_not_wait_for_relations_and_drops_the_frame(driver, monkeypatch) -> None:
    driver.step()

    def reset(*_) -> tuple:
        emptied = driver.session.reset()
        assert [r.id for r in emptied.removed] == [1, 2]
        return ()

    monkeypatch.setattr(map_updates, "relate", reset)
    assert driver.step(100) is None
    assert driver.session.update is None and driver.session.dropped == 1
    monkeypatch.undo()
    update = driver.step(200)
    assert update.first and update.removed == () and min(k.id for k in update.objects) > 2
