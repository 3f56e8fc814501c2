"""Inference ablation: a trained network with the contribution of one of its parts removed."""

from __future__ import annotations

import copy
from dataclasses import replace

from torch import Tensor, nn

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.errors import InputError
from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer, SceneMemory
from iscene_ros.models.mini.checkpoint import LoadedModel
from iscene_ros.models.mini.network import VolumeSceneFlow


class WithoutScene(nn.Module):
    """A transformer whose slots do not attend to the scene slot."""

    def __init__(self, transformer: SceneFlowTransformer) -> None:
        super().__init__()
        self._transformer = transformer
        self.remember = transformer.remember

    def forward(
        self, tokens: Tensor, time: Tensor, positions: Tensor, scene: SceneMemory | None = None
    ) -> tuple[Tensor, SceneMemory]:
        """See `SceneFlowTransformer.forward`."""
        return self._transformer(tokens, time, positions)


class MeanTokens(nn.Module):
    """A transformer that returns the mean of all its tokens for every token."""

    def __init__(self, transformer: SceneFlowTransformer) -> None:
        super().__init__()
        self._transformer = transformer
        self.remember = transformer.remember

    def forward(
        self, tokens: Tensor, time: Tensor, positions: Tensor, scene: SceneMemory | None = None
    ) -> tuple[Tensor, SceneMemory]:
        """See `SceneFlowTransformer.forward`."""
        made, memory = self._transformer(tokens, time, positions, scene)
        return made.mean((0, 1), keepdim=True).expand_as(made), memory


def remove_scene_context(network: VolumeSceneFlow) -> None:
    """Stop instances from attending to their scene."""
    network.transformer = WithoutScene(network.transformer)


def remove_transformer(network: VolumeSceneFlow) -> None:
    """Replace the tokens of the transformer by their mean."""
    network.transformer = MeanTokens(network.transformer)


def remove_coarse_levels(network: VolumeSceneFlow) -> None:
    """Remove everything coarser than the grid: the tokens, and the level before them."""
    last = network.up_grid if network.middle is None else network.middle.up
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)


# Keys of `--without`; `command.PARTS` repeats them, since this module loads torch.
ABLATIONS = {
    "scene-context": remove_scene_context,
    "transformer": remove_transformer,
    "coarse": remove_coarse_levels,
}


def without_part(completer: SceneCompleter, part: str) -> SceneCompleter:
    """Return a completer with a copy of the network that lacks a part, a key of `ABLATIONS`.

    Raises:
        InputError: The model is a released one.
    """
    if not isinstance(completer.shapes.model, LoadedModel):
        raise InputError("--without: for iscene-mini alone; choose another --model")
    network = copy.deepcopy(completer.shapes.model.network)
    ABLATIONS[part](network)
    return SceneCompleter(
        completer.shapes.with_model(replace(completer.shapes.model, network=network)),
        completer.relations,
    )
