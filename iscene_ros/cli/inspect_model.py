"""`iscene inspect-model`: what a model's files hold."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from iscene_ros.core.errors import InputError

if TYPE_CHECKING:
    from iscene_ros.models.inspection import ModelContents, PartContents

PART_NAMES = ("conditioner", "structure_flow", "structure_decoder", "slat_flow", "mesh_decoder")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene inspect-model`."""
    parser.add_argument(
        "model",
        nargs="?",
        metavar="NAME_OR_PATH",
        help="name of a shipped model, a file of either model, a folder or a hub id "
        "(LuLing/IScene) of the published one",
    )
    parser.add_argument(
        "--release-shape",
        action="store_true",
        help="the published sizes, without any file",
    )
    parser.add_argument("--base", metavar="ID_OR_FOLDER", help="the package's TRELLIS base")
    parser.add_argument("--revision", metavar="R", help="branch, tag or commit on the hub")
    parser.add_argument(
        "--keys", action="store_true", help="one line a tensor: name, shape, dtype, between tabs"
    )
    parser.add_argument("--part", choices=PART_NAMES, help="of this part of the published model")


def run(args: argparse.Namespace) -> int:
    """Print what the model holds; 1 = it would not load."""
    from iscene_ros.models.inspection import key_lines

    contents = _contents(args)
    parts = [part for part in contents.parts if args.part in (None, part.name)]
    if not parts:
        raise InputError(f"--part {args.part}: {contents.kind.name} has no such part")
    if args.keys:
        several = len(contents.parts) > 1
        lines = key_lines(parts, prefixed=several and args.part is None)
    else:
        lines = _summary(contents, parts)
    print("\n".join(lines))
    return 1 if any(part.fault for part in parts) else 0


def _contents(args: argparse.Namespace) -> ModelContents:
    from iscene_ros.models.inspection import inspect_model, release_shape
    from iscene_ros.models.registry import SHIPPED_MODELS, checkpoint_path

    if args.release_shape == (args.model is not None):
        raise InputError("inspect-model: expected either NAME_OR_PATH or --release-shape")
    if args.release_shape:
        return release_shape()
    name = str(checkpoint_path(args.model)) if args.model in SHIPPED_MODELS else args.model
    return inspect_model(name, args.base, args.revision)


def _summary(contents: ModelContents, parts: list[PartContents]) -> list[str]:
    lines = [f"model     {contents.name} ({contents.kind.name})"]
    if contents.checksum:
        lines.append(f"checksum  sha256 {contents.checksum}")
    lines += ["", f"{'part':18} {'tensors':>7} {'parameters':>13} {'MB':>9}  dtypes"]
    lines += map(_part_line, parts)
    if len(parts) > 1:
        count = sum(len(p.tensors) for p in parts)
        parameters, size = sum(p.parameters for p in parts), sum(p.bytes for p in parts)
        lines.append(f"{'all':18} {count:7} {parameters:13,} {size / 1e6:9,.1f}")
    lines.append("")
    for name, value in asdict(contents.config).items():
        shown = value.items() if isinstance(value, dict) else [(None, value)]
        lines.append(f"{name}: " + ", ".join(f"{k} {v}" if k else str(v) for k, v in shown))
    return lines + [f"would not load: {part.fault}" for part in parts if part.fault]


def _part_line(part: PartContents) -> str:
    dtypes = sorted({str(t.dtype).removeprefix("torch.") for t in part.tensors.values()})
    return (
        f"{part.name:18} {len(part.tensors):7} {part.parameters:13,} {part.bytes / 1e6:9,.1f}  "
        f"{', '.join(dtypes)}"
    )
