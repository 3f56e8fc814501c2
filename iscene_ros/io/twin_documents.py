"""A twin as documents of simulators: MJCF, SDF and URDF. Meshes are named, not contained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.planning.twin import FRICTION
from iscene_ros.planning.twin_bodies import Twin, TwinBody, TwinBox

# Version of the format that SDF documents name: that of Gazebo Fortress and later.
SDF_VERSION = "1.9"
ENVIRONMENT_MESH = "environment"
# Rolling and spinning friction of mujoco [m], and stiff contacts: solref time constant [s].
MJCF_CONTACT = {
    **{"condim": "6", "friction": f"{FRICTION} 0.005 0.002"},
    **{"solref": "0.005 1", "solimp": "0.98 0.995 0.0005"},
}


def mesh_file(name: str) -> str:
    """Return the path of a mesh beside the document."""
    return f"meshes/{name}.obj"


def part_name(body: TwinBody, number: int) -> str:
    """Return the name of a convex part of a body."""
    return f"{body.name}_part_{number}"


def mjcf(twin: Twin) -> str:
    """Return the MJCF document of mujoco."""
    root = Element("mujoco", model="scene")
    SubElement(root, "option", timestep="0.002", cone="elliptic", impratio="5")
    asset, world = SubElement(root, "asset"), SubElement(root, "worldbody")
    SubElement(world, "light", pos="0 0 2", dir="0 0 -1", directional="true")
    # As a shell: a visual mesh may be open.
    seen = {"type": "mesh", "contype": "0", "conaffinity": "0", "group": "2", "mass": "0"}
    _mjcf_boxes(world, twin.boxes)
    if twin.environment is not None:
        _mjcf_mesh(asset, ENVIRONMENT_MESH, inertia="shell")
        color = _rgba(twin.environment_color)
        SubElement(world, "geom", mesh=ENVIRONMENT_MESH, rgba=color, **seen)
    for body in twin.bodies:
        element = SubElement(world, "body", name=body.name, **_mjcf_pose(body.world_from_body))
        SubElement(element, "freejoint")
        i = body.inertia
        full = [i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2]]
        SubElement(
            element,
            "inertial",
            pos=_text(body.center_of_mass),
            mass=_text(body.mass),
            fullinertia=_text(full),
        )
        _mjcf_mesh(asset, body.name, inertia="shell")
        SubElement(element, "geom", mesh=body.name, rgba=_rgba(body.color), **seen)
        for number in range(len(body.parts)):
            _mjcf_mesh(asset, part_name(body, number))
            part = {"mesh": part_name(body, number), "type": "mesh", "group": "3"}
            SubElement(element, "geom", **part, **MJCF_CONTACT)
        if body.posts:
            _mjcf_boxes(SubElement(world, "body", name=body.posts_name), body.posts)
    return _document(root)


def sdf(twin: Twin) -> str:
    """Return an SDF world with a model for each object."""
    root = Element("sdf", version=SDF_VERSION)
    world = SubElement(root, "world", name="scene")
    _tree(world, "gravity", "0 0 -9.81")
    link = _sdf_boxes(world, "surroundings", twin.boxes)
    if twin.environment is not None:
        _sdf_mesh(SubElement(link, "visual", name=ENVIRONMENT_MESH), ENVIRONMENT_MESH)
    for body in twin.bodies:
        model = SubElement(world, "model", name=body.name)
        _tree(model, "pose", _xyz_rpy(body.world_from_body))
        link = SubElement(model, "link", name="link")
        inertial = SubElement(link, "inertial")
        _tree(inertial, "pose", f"{_text(body.center_of_mass)} 0 0 0")
        _tree(inertial, "mass", _text(body.mass))
        inertia = SubElement(inertial, "inertia")
        for name, value in _inertia_entries(body):
            _tree(inertia, name, value)
        visual = SubElement(link, "visual", name="visual")
        _sdf_mesh(visual, body.name)
        material = SubElement(visual, "material")
        for name in ("ambient", "diffuse"):
            _tree(material, name, _rgba(body.color))
        for number in range(len(body.parts)):
            collision = SubElement(link, "collision", name=f"part_{number}")
            _sdf_mesh(collision, part_name(body, number))
            _sdf_friction(collision)
        if body.posts:
            _sdf_boxes(world, body.posts_name, body.posts)
    return _document(root)


def urdf(twin: Twin) -> str:
    """Return a URDF robot whose root is the world; objects float, and friction is not told."""
    root = Element("robot", name="scene")
    world = SubElement(root, "link", name="world")
    _urdf_boxes(world, twin.boxes)
    if twin.environment is not None:
        _urdf_mesh(SubElement(world, "visual"), ENVIRONMENT_MESH)
    for body in twin.bodies:
        link = SubElement(root, "link", name=body.name)
        inertial = SubElement(link, "inertial")
        SubElement(inertial, "origin", xyz=_text(body.center_of_mass), rpy="0 0 0")
        SubElement(inertial, "mass", value=_text(body.mass))
        SubElement(inertial, "inertia", **dict(_inertia_entries(body)))
        visual = SubElement(link, "visual")
        _urdf_mesh(visual, body.name)
        material = SubElement(visual, "material", name=f"{body.name}_color")
        SubElement(material, "color", rgba=_rgba(body.color))
        for number in range(len(body.parts)):
            _urdf_mesh(SubElement(link, "collision"), part_name(body, number))
        _urdf_joint(root, body.name, "floating", body.world_from_body)
        if body.posts:
            _urdf_boxes(SubElement(root, "link", name=body.posts_name), body.posts)
            _urdf_joint(root, body.posts_name, "fixed", np.eye(4))
    return _document(root)


def _mjcf_boxes(parent: Element, boxes: Sequence[TwinBox]) -> None:
    for box in boxes:
        pose = _mjcf_pose(box.world_from_box)
        SubElement(parent, "geom", type="box", size=_text(box.half_size), **pose, **MJCF_CONTACT)


def _mjcf_mesh(asset: Element, name: str, **attributes: str) -> None:
    SubElement(asset, "mesh", name=name, file=mesh_file(name), **attributes)


def _mjcf_pose(transform: np.ndarray) -> dict[str, str]:
    quaternion = np.roll(Rotation.from_matrix(transform[:3, :3]).as_quat(), 1)
    return {"pos": _text(transform[:3, 3]), "quat": _text(quaternion)}


def _sdf_boxes(world: Element, name: str, boxes: Sequence[TwinBox]) -> Element:
    """Add a fixed model of boxes, and return its link."""
    model = SubElement(world, "model", name=name)
    _tree(model, "static", "true")
    link = SubElement(model, "link", name="link")
    for number, box in enumerate(boxes):
        for kind in ("collision", "visual"):
            element = SubElement(link, kind, name=f"{kind}_{number}")
            _tree(element, "pose", _xyz_rpy(box.world_from_box))
            size = SubElement(SubElement(SubElement(element, "geometry"), "box"), "size")
            size.text = _text(2 * box.half_size)
            if kind == "collision":
                _sdf_friction(element)
    return link


def _sdf_mesh(element: Element, name: str) -> None:
    mesh = SubElement(SubElement(element, "geometry"), "mesh")
    _tree(mesh, "uri", mesh_file(name))


def _sdf_friction(collision: Element) -> None:
    ode = SubElement(SubElement(SubElement(collision, "surface"), "friction"), "ode")
    for name in ("mu", "mu2"):
        _tree(ode, name, str(FRICTION))


def _urdf_boxes(link: Element, boxes: Sequence[TwinBox]) -> None:
    for box in boxes:
        for kind in ("visual", "collision"):
            element = SubElement(link, kind)
            SubElement(element, "origin", **_origin(box.world_from_box))
            SubElement(SubElement(element, "geometry"), "box", size=_text(2 * box.half_size))


def _urdf_joint(root: Element, child: str, kind: str, world_from_child: np.ndarray) -> None:
    joint = SubElement(root, "joint", name=f"{child}_joint", type=kind)
    SubElement(joint, "origin", **_origin(world_from_child))
    SubElement(joint, "parent", link="world")
    SubElement(joint, "child", link=child)


def _urdf_mesh(element: Element, name: str) -> None:
    SubElement(SubElement(element, "geometry"), "mesh", filename=mesh_file(name))


def _inertia_entries(body: TwinBody) -> Iterator[tuple[str, str]]:
    for i, k in zip(*np.triu_indices(3), strict=True):
        yield f"i{'xyz'[i]}{'xyz'[k]}", _text(body.inertia[i, k])


def _origin(transform: np.ndarray) -> dict[str, str]:
    numbers = _xyz_rpy(transform).split()
    return {"xyz": " ".join(numbers[:3]), "rpy": " ".join(numbers[3:])}


def _xyz_rpy(transform: np.ndarray) -> str:
    """Return position [m] and roll, pitch and yaw about fixed axes [rad]."""
    angles = Rotation.from_matrix(transform[:3, :3]).as_euler("xyz")
    return _text([*transform[:3, 3], *angles])


def _rgba(color: np.ndarray) -> str:
    return _text([*(np.asarray(color) / 255), 1.0])


def _tree(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = text


def _text(values: object) -> str:
    return " ".join(f"{float(value):.9g}" for value in np.asarray(values).ravel())


def _document(root: Element) -> str:
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
