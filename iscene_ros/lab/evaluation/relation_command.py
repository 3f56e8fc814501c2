"""`iscene evaluate --relations`: how right the scene graph is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments that belong to relations."""
    parser.add_argument(
        "--relations",
        action="store_true",
        help="score the scene graph on scenes that mujoco put to rest, from true and from "
        "completed meshes; --calibrate then fits its confidences",
    )
    parser.add_argument(
        "--shapes", type=int, default=48, help="pool of shapes for --relations (%(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Score relations, print the tables, write them with every edge."""
    from tqdm import tqdm

    from iscene_ros.completion.scene_completer import SceneCompleter
    from iscene_ros.lab.evaluation.machine import this_machine
    from iscene_ros.lab.evaluation.relation_evaluation import RelationOptions, evaluate_relations
    from iscene_ros.lab.evaluation.relation_fit import Examples, write_table
    from iscene_ros.lab.evaluation.relation_scores import RelationScores
    from iscene_ros.lab.evaluation.report import write_text
    from iscene_ros.lab.evaluation.symmetry_scores import symmetry_report
    from iscene_ros.models.model_config import CompletionOptions

    options = RelationOptions(
        scenes=args.scenes,
        seed=args.seed,
        held_out=args.families == "held_out",
        shapes=args.shapes,
        steps=args.steps,
        cache=args.out,
    )
    unrelated = CompletionOptions(relations=False)
    completer = SceneCompleter.from_pretrained(args.model, args.device, unrelated)
    examples = Examples() if args.calibrate else None
    with tqdm(total=options.scenes, unit="scene") as bar:
        scores = RelationScores()
        for grown in evaluate_relations(completer, options, examples, bar.set_description):
            scores = grown
            bar.set_description("scenes")
            bar.update()
    text = "\n".join([scores.report(), symmetry_report(), f"Machine: {this_machine()}\n"])
    write_text(Path(args.out) / "relations.md", text)
    write_text(Path(args.out) / "relations.csv", scores.csv())
    print(text)
    if examples is not None:
        print(f"written into {write_table(examples.fitted())}", file=sys.stderr)
    return 0
