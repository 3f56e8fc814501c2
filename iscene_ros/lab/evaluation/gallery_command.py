"""`iscene evaluate --gallery`: the worst objects in pictures, and what makes objects bad."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING

from iscene_ros.core.atomic_files import new_file
from iscene_ros.core.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

    from iscene_ros.completion.scene_completer import SceneCompleter
    from iscene_ros.lab.evaluation.rendered_scenes import EvaluationOptions
    from iscene_ros.lab.evaluation.results import Results

WORST = 24
# A sheet of flat colours keeps its look, and a file of well under a megabyte.
PALETTE = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the argument that belongs to the gallery."""
    parser.add_argument(
        "--gallery",
        action="store_true",
        help=f"also draw the {WORST} worst objects (gallery.png) and measure against the truth "
        "what makes objects bad (causes.md, causes.csv)",
    )


def run(completer: SceneCompleter, options: EvaluationOptions, results: Results, out: Path) -> None:
    """Look at the scored scenes again, write gallery.png, causes.md and causes.csv, print."""
    from tqdm import tqdm

    from iscene_ros.lab.evaluation.cause_table import cause_csv, cause_report
    from iscene_ros.lab.evaluation.gallery_picture import draw_gallery
    from iscene_ros.lab.evaluation.inspection import inspect_scenes, worst_objects
    from iscene_ros.lab.evaluation.machine import this_machine
    from iscene_ros.lab.evaluation.report import write_text

    worst = worst_objects(results, WORST)
    looked = tqdm(inspect_scenes(completer, options, results, worst), unit="scene", desc="causes")
    objects, cases = [], []
    for scene in looked:
        objects += scene.objects
        cases += scene.cases
    report = f"{cause_report(objects)}\nMachine: {this_machine()}\n"
    write_text(out / "causes.md", report)
    write_text(out / "causes.csv", cause_csv(objects))
    if cases:
        title = f"The {len(cases)} worst of {len(objects)} objects, by their main cause"
        write_picture(out / "gallery.png", draw_gallery(cases, title))
    print(report)


def write_picture(path: Path, picture: Image.Image) -> None:
    """Write a PNG of 256 colours that appears complete or not at all.

    Raises:
        InputError: it cannot be written.
    """
    encoded = io.BytesIO()
    picture.quantize(PALETTE, dither=0).save(encoded, "PNG", optimize=True)
    try:
        with new_file(path) as temporary:
            temporary.write_bytes(encoded.getvalue())
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
