"""`iscene export`: a completed scene as bodies for a simulator."""

from __future__ import annotations

import argparse
from pathlib import Path

from iscene_ros.core.errors import InputError

FORMATS = ("mjcf", "sdf", "urdf", "usd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene export`."""
    parser.epilog = (
        "Parts for contact are cut apart where they overlap. Where an object would tip on its "
        "underside, its parts get short feet; where nothing that was seen carries it, the "
        "surroundings get fixed posts below it."
    )
    parser.add_argument("scene", type=Path, help="folder that `iscene complete` wrote")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="(%(default)s)")
    parser.add_argument(
        "--out", type=Path, help="folder to write (default: the scene's name and the format)"
    )
    parser.add_argument(
        "--densities",
        type=Path,
        metavar="JSON",
        help='densities by label [kg/m^3], {"mug": 900}; 500 for all others',
    )
    parser.add_argument(
        "--shape",
        choices=("auto", "parts", "hull"),
        default="auto",
        help="for contact: convex parts (needs coacd), the hull, or auto: parts where coacd is "
        "installed",
    )


def run(args: argparse.Namespace) -> int:
    """Write the twin of a scene, and print the path of its document."""
    from iscene_ros.io.scene_io import read_scene
    from iscene_ros.io.twin_files import write_twin
    from iscene_ros.planning.twin import make_twin

    scene = read_scene(args.scene)
    twin = make_twin(scene, _densities(args.densities), args.shape)
    out = args.out
    if out is None:
        folder = args.scene.resolve()
        out = folder.with_name(f"{folder.name}_{args.format}")
    print(f"written to {write_twin(twin, out, args.format)}")
    if not twin.boxes:
        print("without surroundings: the scene has no planes, so nothing carries its objects")
    if twin.left_out:
        print(f"left out, since no volume is left of them: {', '.join(twin.left_out)}")
    on_posts = [body.name for body in twin.bodies if body.posts]
    if on_posts:
        print(f"on fixed posts, since nothing that was seen carries them: {', '.join(on_posts)}")
    return 0


def _densities(path: Path | None) -> dict[str, float]:
    """Read densities by label."""
    from iscene_ros.io.file_errors import read_json

    if path is None:
        return {}
    table = read_json(path, "densities by label")
    numbers = isinstance(table, dict) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) for v in table.values()
    )
    if not numbers:
        raise InputError(f'{path}: expected densities by label in kg/m^3, such as {{"mug": 900}}')
    return {label: float(value) for label, value in table.items()}
