"""`iscene fetch-model`: the published model into the hub's cache, or into one file."""

from __future__ import annotations

import argparse
from pathlib import Path

from iscene_ros.core.errors import InputError

DTYPE_NAMES = ("float16", "bfloat16", "float32")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene fetch-model`."""
    parser.add_argument(
        "model",
        metavar="NAME_OR_FOLDER",
        help="hub id (LuLing/IScene, or with @revision) or a folder laid out as that",
    )
    parser.add_argument(
        "--revision", metavar="R", help="branch, tag or commit on the hub (default: main)"
    )
    parser.add_argument(
        "--base",
        metavar="ID_OR_FOLDER",
        help="the package's TRELLIS base (default: as the package says)",
    )
    parser.add_argument(
        "--convert",
        type=Path,
        metavar="FILE",
        help="write all that is needed into one .safetensors file, which starts faster",
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPE_NAMES,
        help="of the file's inner layers; the rest is float32 (default: float16)",
    )


def run(args: argparse.Namespace) -> int:
    """Fetch a model and, with --convert, convert it."""
    from iscene_ros.models.iscene.packages.converted import convert
    from iscene_ros.models.iscene.packages.package import read_package
    from iscene_ros.models.iscene.packages.parts import DTYPES

    if args.dtype and not args.convert:
        raise InputError("--dtype: name the file to write, too: --convert FILE")
    package = read_package(args.model, args.base, args.revision, log=print)
    for part, checksum in package.checksums().items():
        file = package.weights[part]
        size = file.path.stat().st_size / 1e6
        print(f"{part}: {file.source.name}: {file.name}: {size:,.1f} MB, sha256 {checksum}")
    print(f"{package.name} is complete, sha256 over all weights {package.checksum()}")
    if args.convert:
        convert(package, args.convert, DTYPES[args.dtype or DTYPE_NAMES[0]])
        size = args.convert.stat().st_size / 1e6
        print(f"written to {args.convert}: {size:,.1f} MB; use it as --model {args.convert}")
    return 0
