"""What a part of a trained network is worth: the same network, that part's word withheld."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from iscene_ros.completion import SceneCompleter
from iscene_ros.errors import InputError
from iscene_ros.model.checkpoint import LoadedModel
from iscene_ros.model.config import MiniConfig
from iscene_ros.model.scene_flow import SceneFlowTransformer, SceneMemory
from iscene_ros.model.volume_flow import VolumeSceneFlow

SCENE_CONTEXT, TRANSFORMER = "scene-context", "transformer"
PARTS = (SCENE_CONTEXT, TRANSFORMER)


class WithoutSceneContext:
    """Called as the network that it wraps; instances do not look at the scene slot."""

    def __init__(self, network: VolumeSceneFlow) -> None:
        self._network = network
        self.remember = network.remember

    @property
    def config(self) -> MiniConfig:
        """Of the network."""
        return self._network.config

    def __call__(
        self,
        noisy: Tensor,
        time: Tensor,
        volume: Tensor,
        positions: Tensor,
        scene: SceneMemory | None = None,
    ) -> tuple[Tensor, SceneMemory]:
        """See `VolumeSceneFlow.forward`."""
        return self._network(noisy, time, volume, positions)


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


def without_part(completer: SceneCompleter, part: str) -> SceneCompleter:
    """A completer of its own whose network withholds what one of PARTS says.

    Raises:
        InputError: the model is a released one.
    """
    if not isinstance(completer.model, LoadedModel):
        raise InputError("--without: for iscene-mini alone; choose another --model")
    network = completer.model.network
    if part == SCENE_CONTEXT:
        withheld = WithoutSceneContext(network)
    else:
        withheld = VolumeSceneFlow(network.config).eval()
        withheld.load_state_dict(network.state_dict())
        withheld.transformer = MeanTokens(withheld.transformer)
        withheld = withheld.to(completer.model.device).requires_grad_(False)
    return SceneCompleter(replace(completer.model, network=withheld), completer.options)
