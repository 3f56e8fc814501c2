"""What a part of a trained network is worth: the same network, that part's word withheld."""

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
    """Called as a transformer; no slot looks at its scene."""

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
    """Called as a transformer; every token that it returns is the mean of all."""

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


def withhold_scene(network: VolumeSceneFlow) -> None:
    """Instances no longer look at their scene."""
    network.transformer = WithoutScene(network.transformer)


def withhold_tokens(network: VolumeSceneFlow) -> None:
    """What comes out of the transformer no longer depends on what goes in."""
    network.transformer = MeanTokens(network.transformer)


def withhold_coarse(network: VolumeSceneFlow) -> None:
    """Nothing returns to the grid from what is coarser: tokens, and the level before them."""
    last = network.up_grid if network.middle is None else network.middle.up
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)


WITHHELD = {
    "scene-context": withhold_scene,
    "transformer": withhold_tokens,
    "coarse": withhold_coarse,
}


def without_part(completer: SceneCompleter, part: str) -> SceneCompleter:
    """A completer of its own whose network withholds what a key of WITHHELD says.

    Raises:
        InputError: the model is a released one.
    """
    if not isinstance(completer.shapes.model, LoadedModel):
        raise InputError("--without: for iscene-mini alone; choose another --model")
    network = copy.deepcopy(completer.shapes.model.network)
    WITHHELD[part](network)
    return SceneCompleter(
        completer.shapes.with_model(replace(completer.shapes.model, network=network)),
        completer.relations,
    )
