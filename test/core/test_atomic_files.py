"""Files and folders appear complete or not at all."""

import os

import pytest

from iscene_ros.core.atomic_files import new_file, new_folder, temporary_sibling, write_text


def test_a_file_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "new/deep/file.txt"
    with new_file(target) as temporary:
        temporary.write_text("done")
        assert not target.exists()
    assert target.read_text() == "done" and os.listdir(target.parent) == ["file.txt"]


def test_a_failure_keeps_the_earlier_file_or_folder(tmp_path):
    write_text(tmp_path / "file.txt", "earlier")
    with new_folder(tmp_path / "folder") as folder:
        write_text(folder / "inside.txt", "earlier")
    with pytest.raises(RuntimeError), new_file(tmp_path / "file.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    with pytest.raises(RuntimeError), new_folder(tmp_path / "folder"):
        raise RuntimeError
    assert (tmp_path / "file.txt").read_text() == "earlier"
    assert (tmp_path / "folder/inside.txt").read_text() == "earlier"
    assert sorted(os.listdir(tmp_path)) == ["file.txt", "folder"]


def test_a_new_folder_replaces_the_earlier_one(tmp_path):
    for name in ("first", "second"):
        with new_folder(tmp_path / "folder") as folder:
            (folder / name).touch()
    assert os.listdir(tmp_path / "folder") == ["second"] and os.listdir(tmp_path) == ["folder"]


def test_a_temporary_folder_leaves_no_parents(tmp_path):
    with temporary_sibling(tmp_path / "a/b/target") as temporary:
        assert temporary.is_dir() and temporary.parent == tmp_path / "a/b"
    assert os.listdir(tmp_path) == []
