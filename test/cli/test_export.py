"""`iscene export`: a saved scene as the files of a simulator."""

import json
import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from made_objects import scene_object, scene_of, table_plane
from made_scenes import box

from iscene_ros.cli.main import main
from iscene_ros.io.scene_io import write_scene
from iscene_ros.io.twin_files import DOCUMENTS


@pytest.fixture
def folder(tmp_path):
    objects = [
        scene_object(1, box((0.1, 0.1, 0.1)), label="mug"),
        scene_object(2, box((0.1, 0.1, 0.1), at=(0.3, 0)), label="bowl"),
    ]
    scene = replace(scene_of(*objects), planes=())
    write_scene(scene, tmp_path / "scene", pictures=False)
    return tmp_path / "scene"


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_the_twin_lies_beside_the_scene(folder, capsys, kind):
    if kind == "usd":
        pytest.importorskip("pxr", reason="needs pip install usd-core")
    assert main(["export", str(folder), "--format", kind, "--shape", "hull"]) == 0
    name, _ = DOCUMENTS[kind]
    path = folder.with_name(f"scene_{kind}") / name
    assert path.is_file() and str(path) in capsys.readouterr().out
    assert (path.parent / "meshes/mug_1.obj").is_file() or kind == "usd"


def test_objects_on_posts_and_those_that_are_left_out_are_named(tmp_path, capsys):
    flat = scene_object(3, box((0.1, 0.1, 0.0), at=(0.0, 0.3)), label="card")
    floating = scene_object(2, box((0.08, 0.08, 0.05), bottom=0.2), label="bowl")
    standing = scene_object(1, box((0.1, 0.1, 0.1), at=(0.3, 0)), label="mug")
    write_scene(
        replace(scene_of(standing, floating, flat), planes=(table_plane(1.0),)),
        tmp_path / "scene",
        pictures=False,
    )
    assert main(["export", str(tmp_path / "scene"), "--shape", "hull"]) == 0
    printed = capsys.readouterr().out.rstrip()
    assert "no volume is left of them: card_3\n" in printed
    assert printed.endswith("carries them: bowl_2")


def test_densities_are_by_label(folder, tmp_path, capsys):
    table = tmp_path / "densities.json"
    table.write_text(json.dumps({"mug": 2000}))
    argv = ["export", str(folder), "--out", str(tmp_path / "twin"), "--shape", "hull"]
    assert main([*argv, "--densities", str(table)]) == 0
    root = ElementTree.parse(tmp_path / "twin/scene.xml")
    masses = [float(e.get("mass")) for e in root.iter("inertial")]
    np.testing.assert_allclose(masses, [2.0, 0.5], rtol=1e-4)
    assert "no planes" in capsys.readouterr().out


@pytest.mark.parametrize("text", ['["mug"]', '{"mug": "heavy"}', '{"mug": 0}', "{"])
def test_wrong_densities_are_named(folder, tmp_path, capsys, text):
    table = tmp_path / "densities.json"
    table.write_text(text)
    assert main(["export", str(folder), "--densities", str(table)]) == 2
    error = capsys.readouterr().err
    assert "densit" in error and not folder.with_name("scene_mjcf").exists()


def test_usd_without_usd_core_is_an_error(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pxr", None)
    assert main(["export", str(folder), "--format", "usd", "--shape", "hull"]) == 2
    assert "iscene_ros[usd]" in capsys.readouterr().err
    assert not folder.with_name("scene_usd").exists()


def test_a_folder_that_is_no_scene(tmp_path, capsys):
    assert main(["export", str(tmp_path)]) == 2
    assert "scene.json" in capsys.readouterr().err
