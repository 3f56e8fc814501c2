"""A twin as a USD stage with the physics schema, for Isaac Sim and others; meshes are in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from iscene_ros.core.errors import InputError
from iscene_ros.core.scene import Mesh
from iscene_ros.planning.twin import FRICTION
from iscene_ros.planning.twin_bodies import Twin, TwinBody, TwinBox

ROOT = "/scene"


def usd(twin: Twin) -> str:
    """Return the stage as text (usda): z up, metres, kilograms.

    Raises:
        InputError: usd-core is not installed.
    """
    try:
        from pxr import Gf, Usd, UsdGeom, UsdPhysics, UsdShade
    except ModuleNotFoundError as error:
        raise InputError("usd-core is not installed; run: pip install 'iscene_ros[usd]'") from error
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdPhysics.SetStageKilogramsPerUnit(stage, 1.0)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, ROOT).GetPrim())
    gravity = UsdPhysics.Scene.Define(stage, f"{ROOT}/physics")
    gravity.CreateGravityDirectionAttr(Gf.Vec3f(0, 0, -1))
    gravity.CreateGravityMagnitudeAttr(9.81)
    material = UsdShade.Material.Define(stage, f"{ROOT}/contact")
    friction = UsdPhysics.MaterialAPI.Apply(material.GetPrim())
    friction.CreateStaticFrictionAttr(FRICTION)
    friction.CreateDynamicFrictionAttr(FRICTION)
    # No object is called "surroundings": their names end in a number.
    colliding = _boxes(stage, "surroundings", twin.boxes)
    if twin.environment is not None:
        _mesh(stage, f"{ROOT}/environment", twin.environment, twin.environment_color)
    for body in twin.bodies:
        colliding += _body(stage, body)
        if body.posts:
            colliding += _boxes(stage, body.posts_name, body.posts)
    for shape in colliding:
        UsdPhysics.CollisionAPI.Apply(shape.GetPrim())
        binding = UsdShade.MaterialBindingAPI.Apply(shape.GetPrim())
        binding.Bind(material, UsdShade.Tokens.weakerThanDescendants, "physics")
    return stage.GetRootLayer().ExportToString()


def _boxes(stage: Any, name: str, boxes: Sequence[TwinBox]) -> list[Any]:
    """Add fixed boxes under a name."""
    from pxr import Tf, UsdGeom

    path = f"{ROOT}/{Tf.MakeValidIdentifier(name)}"
    UsdGeom.Xform.Define(stage, path)
    cubes = []
    for number, box in enumerate(boxes):
        cube = UsdGeom.Cube.Define(stage, f"{path}/box_{number}")
        cube.CreateSizeAttr(2.0)
        _place(cube, box.world_from_box @ np.diag([*box.half_size, 1.0]))
        cubes.append(cube)
    return cubes


def _body(stage: Any, body: TwinBody) -> list[Any]:
    """Add a rigid body, and return its parts for contact."""
    from pxr import Gf, Tf, UsdGeom, UsdPhysics

    path = f"{ROOT}/{Tf.MakeValidIdentifier(body.name)}"
    root = UsdGeom.Xform.Define(stage, path)
    _place(root, body.world_from_body)
    UsdPhysics.RigidBodyAPI.Apply(root.GetPrim())
    inertial = UsdPhysics.MassAPI.Apply(root.GetPrim())
    moments, axes = np.linalg.eigh(body.inertia)
    axes[:, 0] *= np.sign(np.linalg.det(axes))
    turn = Gf.Matrix3d(*map(float, axes.T.ravel())).ExtractRotation().GetQuat()
    inertial.CreateMassAttr(body.mass)
    inertial.CreateCenterOfMassAttr(Gf.Vec3f(*map(float, body.center_of_mass)))
    inertial.CreateDiagonalInertiaAttr(Gf.Vec3f(*map(float, moments)))
    inertial.CreatePrincipalAxesAttr(Gf.Quatf(turn))
    _mesh(stage, f"{path}/visual", body.mesh, body.color)
    parts = []
    for number, part in enumerate(body.parts):
        shape = _mesh(stage, f"{path}/part_{number}", part, body.color)
        shape.CreatePurposeAttr(UsdGeom.Tokens.guide)
        approximation = UsdPhysics.MeshCollisionAPI.Apply(shape.GetPrim())
        approximation.CreateApproximationAttr(UsdPhysics.Tokens.convexHull)
        parts.append(shape)
    return parts


def _mesh(stage: Any, path: str, mesh: Mesh, color: np.ndarray) -> Any:
    from pxr import UsdGeom, Vt

    shape = UsdGeom.Mesh.Define(stage, path)
    shape.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(mesh.vertices, np.float32)))
    faces = np.ascontiguousarray(mesh.faces, np.int32)
    shape.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(faces.ravel()))
    shape.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(faces), 3, np.int32)))
    shape.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    shape.CreateDisplayColorAttr(Vt.Vec3fArray.FromNumpy(np.float32([np.asarray(color) / 255])))
    return shape


def _place(shape: Any, transform: np.ndarray) -> None:
    """Set the pose; USD multiplies rows from the left."""
    from pxr import Gf

    shape.AddTransformOp().Set(Gf.Matrix4d(*map(float, transform.T.ravel())))
