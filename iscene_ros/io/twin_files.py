"""A twin as a folder: the document of a simulator, and the meshes that it names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from iscene_ros.core.errors import InputError
from iscene_ros.core.scene import Mesh
from iscene_ros.io.result_folder import MESH_DIRECTORY, ResultKind, new_result
from iscene_ros.io.twin_documents import (
    ENVIRONMENT_MESH,
    mesh_file,
    mjcf,
    part_name,
    sdf,
    urdf,
)
from iscene_ros.io.twin_usd import usd
from iscene_ros.planning.twin_bodies import Twin

# Format -> name of the document, and what makes it.
DOCUMENTS: dict[str, tuple[str, Callable[[Twin], str]]] = {
    "mjcf": ("scene.xml", mjcf),
    "sdf": ("scene.sdf", sdf),
    "urdf": ("scene.urdf", urdf),
    "usd": ("scene.usda", usd),
}


def write_twin(twin: Twin, directory: Path, kind: str) -> Path:
    """Write a twin completely or not at all, and return the path of its document.

    Args:
        twin: the bodies and surroundings.
        directory: new, empty, or an earlier twin of this kind.
        kind: one of `DOCUMENTS`.

    Raises:
        InputError: an unknown kind, usd without usd-core, or a folder that holds something else or
            cannot be written.
    """
    if kind not in DOCUMENTS:
        raise InputError(f"export: format {kind!r}, expected one of {', '.join(DOCUMENTS)}")
    name, make = DOCUMENTS[kind]
    document = make(twin)
    meshes = {body.name: body.mesh for body in twin.bodies}
    for body in twin.bodies:
        meshes |= {part_name(body, number): part for number, part in enumerate(body.parts)}
    if twin.environment is not None:
        meshes[ENVIRONMENT_MESH] = twin.environment
    with new_result(directory, ResultKind((name,), ".obj", "export")) as temporary:
        for mesh_name, mesh in meshes.items():
            if mesh_file(mesh_name) in document:
                (temporary / MESH_DIRECTORY).mkdir(exist_ok=True)
                (temporary / mesh_file(mesh_name)).write_text(_obj(mesh), "utf-8")
        (temporary / name).write_text(document, "utf-8")
    return Path(directory).resolve() / name


def _obj(mesh: Mesh) -> str:
    """Return a mesh as a Wavefront OBJ in metres, z up; its corners to a micrometre."""
    corners = "".join(f"v {x:.6f} {y:.6f} {z:.6f}\n" for x, y, z in np.asarray(mesh.vertices))
    return corners + "".join(f"f {a} {b} {c}\n" for a, b, c in np.asarray(mesh.faces) + 1)
