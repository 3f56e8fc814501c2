"""Evaluation of relations on scenes settled by a physics engine: true and completed meshes."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.observation import Observation
from iscene_ros.core.predicate import Predicate
from iscene_ros.geometry.environment import BoxEnvironment
from iscene_ros.geometry.scene_geometry import measure
from iscene_ros.lab.evaluation.relation_fit import DEFINED, Examples
from iscene_ros.lab.evaluation.relation_scores import RelationScores
from iscene_ros.lab.evaluation.relation_truth import Edge, true_bodies, true_relations
from iscene_ros.lab.evaluation.settled_scenes import SettledOptions, settled_scenes
from iscene_ros.lab.synthetic.physics_scenes import PhysicsScene
from iscene_ros.lab.synthetic.physics_views import observe_physics
from iscene_ros.relations.build import decide, find_candidates, named_edges, scene_bodies

TRUE_MESHES, COMPLETED_MESHES = "true meshes", "completed meshes"


class RelationEvaluation:
    """Relations from true and from completed meshes, compared with the truth.

    Attributes:
        scores: Scores over all scenes so far.
        examples: Candidates of all scenes so far, for a fit of the coefficients.
    """

    def __init__(self, completer: SceneCompleter, options: SettledOptions) -> None:
        self.completer, self.options = completer, options
        self.scores, self.examples = RelationScores(), Examples()

    def run(self) -> None:
        """Evaluate scene after scene.

        Raises:
            InputError: Mujoco or coacd is not installed.
        """
        for number, scene in enumerate(settled_scenes(self.options)):
            truth = true_relations(scene) | _copies(scene)
            rng = np.random.default_rng([self.options.seed, number, 1])
            observation = observe_physics(rng, scene)
            pose = None if observation is None else observation.world_from_camera
            geometry = measure(true_bodies(scene), BoxEnvironment(scene.boxes))
            candidates = find_candidates(geometry, pose, shapes=True)
            relations = named_edges(candidates, decide(candidates))
            defined = [r for r in relations if Predicate(r.predicate) in DEFINED]
            others = [r for r in relations if Predicate(r.predicate) not in DEFINED]
            known = set(range(len(scene.shapes) + 1))
            self.scores.add(TRUE_MESHES, number, others, truth, known)
            self.examples.add(candidates, truth)
            if observation is not None:
                truth |= {(r.subject, Predicate(r.predicate), r.object) for r in defined}
                self._evaluate_completed(number, observation, truth)

    def _evaluate_completed(self, number: int, observation: Observation, truth: set[Edge]) -> None:
        completed = self.completer.complete(observation)
        bodies, environment, pose = scene_bodies(completed, observation)
        if not bodies:
            return
        candidates = find_candidates(measure(bodies, environment), pose, shapes=True)
        known = {body.id for body in bodies} | {0}
        relations = named_edges(candidates, decide(candidates))
        self.scores.add(COMPLETED_MESHES, number, relations, truth, known)
        self.examples.add(candidates, {e for e in truth if e[0] in known and e[2] in known})


def _copies(scene: PhysicsScene) -> set[Edge]:
    return {
        (one + 1, Predicate.SAME_SHAPE, other + 1)
        for one, other in combinations(range(len(scene.shape_ids)), 2)
        if scene.shape_ids[one] == scene.shape_ids[other]
    }
