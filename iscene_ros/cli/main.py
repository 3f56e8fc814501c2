"""The `iscene` command. A subcommand's module is imported when it is called, so help is quick."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence

from iscene_ros import __version__
from iscene_ros.core.errors import InputError, ModelError

BAD_INPUT, INTERRUPTED = 2, 130
# Module -> the extra of setup.py that installs it; all others come with the package itself.
EXTRAS = {
    "rosbags": "bag",
    "coacd": "evaluate",
    "cv2": "release",
    "huggingface_hub": "release",
    "mujoco": "evaluate",
    "open3d": "evaluate",
}
# Subcommand -> module with add_arguments(parser) and run(args) -> exit code, and one line of help.
COMMANDS = {
    "demo": ("iscene_ros.cli.demo", "complete a real robot frame"),
    "complete": ("iscene_ros.cli.complete", "complete an RGB-D frame with instance masks"),
    "bag": ("iscene_ros.cli.bag", "complete every frame of a recorded bag"),
    "make-demo-bag": ("iscene_ros.cli.make_demo_bag", "write the real robot frame as a bag"),
    "export": ("iscene_ros.cli.export", "write a completed scene for a simulator"),
    "fetch-model": ("iscene_ros.cli.fetch_model", "fetch the published I-Scene"),
    "inspect-model": ("iscene_ros.cli.inspect_model", "print what a model's files hold"),
    "train": ("iscene_ros.lab.training.command", "train a model"),
    "evaluate": ("iscene_ros.lab.evaluation.command", "measure quality against exact truth"),
    "benchmark": ("iscene_ros.lab.benchmarks.command", "measure time and memory"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 = done, 2 = bad input, 130 = interrupted."""
    argv = sys.argv[1:] if argv is None else list(argv)
    return exit_code(lambda: _run(argv))


def exit_code(command: Callable[[], int]) -> int:
    """Run a command; an error that a user can correct becomes one line on stderr."""
    try:
        return command()
    except (InputError, ModelError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except ModuleNotFoundError as error:
        if error.name.startswith("iscene_ros"):
            raise
        extra = EXTRAS.get(error.name.partition(".")[0])
        requirement = "iscene_ros" if extra is None else f"iscene_ros[{extra}]"
        return _fail(f"{error.name} is not installed; run: pip install '{requirement}'")
    except KeyboardInterrupt:
        print("iscene: interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="iscene", description="Complete the object meshes of a scene from one RGB-D frame."
    )
    parser.add_argument("--version", action="version", version=f"iscene_ros {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    module = None
    for name, (module_name, summary) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary.capitalize())
        if argv[:1] == [name]:
            module = importlib.import_module(module_name)
            module.add_arguments(subparser)
    args = parser.parse_args(argv)
    return module.run(args)


def _fail(message: str) -> int:
    print(f"iscene: error: {' '.join(message.split())}", file=sys.stderr)
    return BAD_INPUT
