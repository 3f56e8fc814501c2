"""`iscene complete`: complete an RGB-D frame with instance masks, or several of one scene."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from iscene_ros.cli.arguments import add_completion_arguments
from iscene_ros.cli.completion_run import LoadCompleter, complete_to, load_completer
from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.planning.grippers import FRANKA_HAND, GRIPPERS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene complete`."""
    files = {
        "rgb": "8-bit colour PNG or JPEG; iscene-mini uses it for pictures only",
        "depth": "16-bit PNG in mm or .npy float32 in m; 0 or NaN = no reading; needed by "
        "iscene-mini, and without it a released model's scale is not measured",
        "masks": "8- or 16-bit PNG of instance ids (0 = background) or .npz with a (N, H, W) stack",
        "camera": 'JSON {"width", "height", "k": [9], "d": [5]?, "world_from_camera": [16]?}, or a '
        "file of open3d or camera_calibration",
        "out": "folder to write; new, empty or an earlier result",
    }
    for name, explanation in files.items():
        parser.add_argument(f"--{name}", type=Path, required=name == "out", help=explanation)
    parser.add_argument("--labels", type=Path, help='JSON {"1": "mug", ...} or a list')
    parser.add_argument(
        "--frame",
        type=Path,
        action="append",
        metavar="DIR",
        help="folder with rgb, depth, masks, camera and labels under these names, in place of the "
        "files; given again for further views of the scene, the one to draw last",
    )
    parser.add_argument(
        "--associate",
        action="store_true",
        help="link the instances of several frames by their places, not by their ids",
    )
    parser.add_argument(
        "--depth-unit",
        type=float,
        metavar="M",
        help="metres of one step of a depth PNG (default: that of the camera file, or 0.001)",
    )
    parser.add_argument(
        "--gravity",
        type=float,
        nargs=3,
        metavar=("GX", "GY", "GZ"),
        help="direction of gravity in the camera frame (x right, y down, z forward), where the "
        "camera file has no pose",
    )
    parser.add_argument(
        "--camera-height",
        type=float,
        metavar="M",
        help="of the camera above the support [m], which gives a released model the scale of a "
        "view without depth",
    )
    parser.add_argument(
        "--support-height",
        type=float,
        metavar="M",
        help="the same by the height of the support in the world [m], where the camera file has a "
        "pose",
    )
    parser.add_argument(
        "--grasps",
        choices=GRIPPERS,
        const=FRANKA_HAND.name,
        nargs="?",
        help="plan grasps of every object by this gripper, and draw the best in overview.png "
        "(default: %(const)s)",
    )
    add_completion_arguments(parser)


def run(args: argparse.Namespace, load: LoadCompleter = load_completer) -> int:
    """Complete the frame of the given files, or the scene of the given folders."""
    complete_to(args.out, _read(args), args, load, args.grasps)
    return 0


def _read(args: argparse.Namespace) -> Observation | list[Observation]:
    """Read what the arguments name; several observations show one scene."""
    from iscene_ros.io.frame_io import FrameFiles, read_observation

    files = {name: getattr(args, name) for name in ("rgb", "depth", "masks", "camera", "labels")}
    given = [f"--{name}" for name, path in files.items() if path is not None]
    if args.frame and given:
        raise InputError(f"{given[0]}: the folder of --frame holds it; give one of both")
    if args.associate and len(args.frame or ()) < 2:
        raise InputError("--associate: links several frames; give --frame DIR --frame DIR")
    if args.frame:
        views = [
            read_observation(
                replace(FrameFiles.in_folder(folder), depth_unit=args.depth_unit), args.gravity
            )
            for folder in args.frame
        ]
        return views[0] if len(views) == 1 else _linked(args.frame, views, args.associate)
    missing = [f"--{name}" for name in ("masks", "camera") if files[name] is None]
    if missing:
        raise InputError(f"complete: {', '.join(missing)} missing; or give --frame DIR")
    return read_observation(FrameFiles(**files, depth_unit=args.depth_unit), args.gravity)


def _linked(folders: list[Path], views: list[Observation], associate: bool) -> list[Observation]:
    """Return views whose equal instance ids are the same objects.

    Raises:
        InputError: a view without pose, or ids that do not link the views.
    """
    from iscene_ros.preprocess.view_association import associated, check_places
    from iscene_ros.preprocess.view_sequence import check_sequence

    for folder, view in zip(folders, views, strict=True):
        if view.world_from_camera is None:
            raise InputError(
                f"{folder}: no world_from_camera in its camera file; several frames are combined "
                "by their poses"
            )
    if associate:
        views = associated(views)
    check_sequence(views)
    for number, (folder, view) in enumerate(zip(folders, views, strict=True)):
        others = {i for k, other in enumerate(views) if k != number for i in other.instance_ids}
        if not others & set(view.instance_ids):
            raise InputError(
                f"{folder}: none of its instance ids is in another frame; equal ids link objects: "
                "renumber the masks, or give --associate"
            )
    check_places(views)
    return views
