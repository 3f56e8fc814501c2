"""`iscene complete`: complete an RGB-D frame with instance masks."""

from __future__ import annotations

import argparse
from pathlib import Path

from iscene_ros.cli.arguments import add_completion_arguments
from iscene_ros.cli.completion_run import LoadCompleter, complete_to, load_completer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene complete`."""
    files = {
        "rgb": "8-bit colour PNG or JPEG",
        "depth": "16-bit PNG in mm or .npy float32 in m; 0 or NaN = no reading; needed by "
        "iscene-mini, and without it a released model's scale is not measured",
        "masks": "8- or 16-bit PNG of instance ids (0 = background) or .npz with a (N, H, W) stack",
        "camera": 'JSON {"width", "height", "k": [9], "d": [5]?, "world_from_camera": [16]?}',
        "out": "folder to write; new, empty or an earlier result",
    }
    for name, explanation in files.items():
        parser.add_argument(f"--{name}", type=Path, required=name != "depth", help=explanation)
    parser.add_argument("--labels", type=Path, help='JSON {"1": "mug", ...} or a list')
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
    add_completion_arguments(parser)


def run(args: argparse.Namespace, load: LoadCompleter = load_completer) -> int:
    """Complete the frame of the given files."""
    from iscene_ros.io.frame_io import FrameFiles, read_observation

    files = FrameFiles(args.rgb, args.depth, args.masks, args.camera, args.labels)
    complete_to(args.out, read_observation(files, args.gravity), args, load)
    return 0
