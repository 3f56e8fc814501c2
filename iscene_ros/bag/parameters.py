"""Settings and static transforms of a run over a bag, from a ROS parameter file and from texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from iscene_ros.bag.names import NODE_NAME
from iscene_ros.core.errors import InputError
from iscene_ros.ros.decode_header import decode_frame
from iscene_ros.ros.decode_poses import rigid_matrix
from iscene_ros.session.inputs import TransformSample
from iscene_ros.session.parameters import parameter_name
from iscene_ros.session.settings import Settings

# Parameters that every node has; they say nothing about scenes.
_NODE_PARAMETERS = ("use_sim_time", "autostart", "start_type_description_service", "qos_overrides.")
_PARAMETERS = "ros__parameters"

TRANSFORM = ("X", "Y", "Z", "QX", "QY", "QZ", "QW", "PARENT", "CHILD")


def read_settings(path: Path | None, assignments: Sequence[str] = ()) -> Settings:
    """Return the settings of a parameter file; the defaults where there is none.

    Args:
        path: `/**: ros__parameters: {...}`, or with the node's name in place of `/**`.
        assignments: "name=value", which override the file; a list is written [a, b].

    Raises:
        InputError: no such file, no parameters in it, an unknown name, a value that does not fit.
    """
    settings = Settings()
    if path is not None:
        try:
            settings = settings.changed(_file_values(path))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    return settings.changed(dict(_assigned(text) for text in assignments))


def _file_values(path: Path) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{error.strerror}; name a parameter file, or none for defaults") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"no YAML ({' '.join(str(error).split())})") from error
    values: dict[str, Any] = {}
    ours = list(_of_this_node(document))
    if not ours:
        raise InputError(f"no parameters of {NODE_NAME}; expected /**: {_PARAMETERS}: ...")
    named = sorted({node for node, _ in ours if "*" not in node})
    if len(named) > 1:
        raise InputError(f"parameters of {' and '.join(named)}; keep those of one node")
    # As in rcl, wildcards first: a node's own name overrides them.
    for _, parameters in sorted(ours, key=lambda pair: "*" not in pair[0]):
        values |= dict(_flat(parameters))
    return values


def _of_this_node(document: Any, namespace: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield full name and parameters of each node of this kind; namespaces may be nested.

    A bag has no namespace, so any one fits.
    """
    if not isinstance(document, Mapping):
        return
    for key, content in document.items():
        name = f"{namespace}/{str(key).strip('/')}"
        if not isinstance(content, Mapping):
            continue
        parameters = content.get(_PARAMETERS)
        if name.split("/")[-1] in ("*", "**", NODE_NAME) and isinstance(parameters, Mapping):
            yield name, parameters
        yield from _of_this_node({k: v for k, v in content.items() if k != _PARAMETERS}, name)


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in parameters.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif not name.startswith(_NODE_PARAMETERS):
            yield name, value


def _assigned(text: str) -> tuple[str, Any]:
    import yaml

    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: expected NAME=VALUE, as --set faces=500")
    # A text is taken as it stands: "none" and "01" are words, not values of YAML.
    texts = {parameter_name(f.name) for f in fields(Settings) if isinstance(f.default, str)}
    if name in texts:
        return name, value
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(f"--set {name}: {value!r} is no value") from error


def static_transform(texts: Sequence[str]) -> TransformSample:
    """Return a transform of its texts in the order of `TRANSFORM`: metres, quaternion, two frames.

    Raises:
        InputError: no numbers, no rotation, or no frames.
    """
    option = f"--static-transform {' '.join(texts)}"
    try:
        numbers = [float(text) for text in texts[:7]]
    except ValueError:
        raise InputError(f"{option}: expected numbers for {' '.join(TRANSFORM[:7])}") from None
    position = SimpleNamespace(**dict(zip("xyz", numbers[:3], strict=True)))
    orientation = SimpleNamespace(**dict(zip("xyzw", numbers[3:], strict=True)))
    try:
        parent, child = (decode_frame(name, "the frame") for name in texts[7:])
        pose = rigid_matrix(position, orientation)
    except InputError as error:
        raise InputError(f"{option}: {error}") from error
    if parent == child:
        raise InputError(f"{option}: {child} in itself; expected two frames")
    return TransformSample(0, parent, child, pose, static=True)
