"""The registry of models: one line a model, and nothing else to edit for another one."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from iscene_ros.core.errors import ModelError
from iscene_ros.models.base import ShapeModel
from iscene_ros.models.iscene.packages.hub import is_hub_id
from iscene_ros.models.model_config import ModelConfig

# Models that come with the package: their names and files.
SHIPPED_MODELS = {"iscene-mini": "iscene_mini.safetensors"}


@dataclass(frozen=True)
class RegisteredModel:
    """A kind of model: the format of its files, and the module that loads them.

    Attributes:
        name: for messages.
        module: has `load_shape_model(config: ModelConfig, device: str) -> ShapeModel`.
        file_format: beginning of the "format" in the metadata of its safetensors files.
        package_file: file that identifies a folder of it; "" = it has no folders.
        is_on_hub: whether hub ids (owner/name) stand for it.
    """

    name: str
    module: str
    file_format: str
    package_file: str = ""
    is_on_hub: bool = False


MINI = RegisteredModel("iscene-mini", "iscene_ros.models.mini.shape_model", "iscene-mini/2")
RELEASE = RegisteredModel(
    "I-Scene", "iscene_ros.models.iscene.shape_model", "iscene-release/", "iscene_config.json", True
)
MODELS = (MINI, RELEASE)


def load_shape_model(config: ModelConfig) -> ShapeModel:
    """Load the model that a configuration names.

    Raises:
        InputError: an option that the model does not have.
        ModelError: unknown name, unreadable file or of another kind, device not available.
    """
    module = importlib.import_module(find_model(config.name).module)
    return module.load_shape_model(config, resolved_device(config.device))


def find_model(name_or_path: str | Path) -> RegisteredModel:
    """Return the kind of model that a name or a path stands for, without loading it.

    The metadata of a file and the package file of a folder identify it; owner/name, perhaps with
    @revision, is a hub id. Any other name is left to iscene-mini, whose error lists the names.

    Raises:
        ModelError: a folder or a file of no registered model.
    """
    if name_or_path in SHIPPED_MODELS:
        return _of_file(checkpoint_path(str(name_or_path)))
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        files = {model.package_file: model for model in MODELS if model.package_file}
        found = [model for file, model in files.items() if (path / file).is_file()]
        if not found:
            raise ModelError(
                f"model {path}: no {' or '.join(files)}; expected a package as LuLing/IScene (a "
                "TRELLIS package is only the base of one)"
            )
        return found[0]
    if path.is_file():
        return _of_file(path)
    on_hub = is_hub_id(str(name_or_path))
    return next((model for model in MODELS if model.is_on_hub and on_hub), MINI)


def checkpoint_path(name_or_path: str) -> Path:
    """Return the file of a shipped model's name, or the path itself.

    Raises:
        ModelError: neither exists.
    """
    if name_or_path in SHIPPED_MODELS:
        folder = Path(str(resources.files("iscene_ros"))) / "checkpoints"
        return folder / SHIPPED_MODELS[name_or_path]
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        names = ", ".join(sorted(SHIPPED_MODELS))
        raise ModelError(f"model {name_or_path}: no such file, and not one of: {names}")
    return path


def resolved_device(name: str) -> str:
    """Return the device that a name stands for; auto = a GPU where there is one.

    Raises:
        ModelError: a GPU is requested where there is none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ModelError("device cuda: not available; use --device cpu or auto")
    return name


def _of_file(path: Path) -> RegisteredModel:
    try:
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get("format", "none")
    except (OSError, SafetensorError) as error:
        raise ModelError(f"model {path}: cannot be read ({error}); fetch it again") from error
    for model in MODELS:
        if found.startswith(model.file_format):
            return model
    expected = " or ".join(f"{model.file_format} ({model.name})" for model in MODELS)
    raise ModelError(f"model {path}: format {found!r}, expected {expected}")
