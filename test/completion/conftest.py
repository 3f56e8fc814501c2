import pytest

from iscene_ros.completion.scene_completer import SceneCompleter


@pytest.fixture(scope="session")
def completer() -> SceneCompleter:
    return SceneCompleter.from_pretrained("iscene-mini", device="cpu")
