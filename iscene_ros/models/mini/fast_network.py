"""iscene-mini at lower precision, or compiled: faster on some machines, slower on others."""

from __future__ import annotations

import torch
from torch import Tensor

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.networks.scene_flow import SceneMemory
from iscene_ros.models.mini.int8_convolutions import with_int8_convolutions
from iscene_ros.models.mini.network import VolumeSceneFlow
from iscene_ros.models.model_config import PRECISIONS


class FastNetwork:
    """Called as the network that it wraps; its answers differ by rounding.

    `iscene benchmark completion --precision ... --compile` shows whether a machine gains by it.
    Each number of crops is compiled when it is first met, which takes up to a minute.
    """

    def __init__(
        self,
        network: VolumeSceneFlow,
        precision: str,
        compiled: bool,
        backend: str = "inductor",
    ) -> None:
        """Of a network in float32.

        Raises:
            ModelError: an unknown precision, or one that this machine does not have.
        """
        if precision not in PRECISIONS:
            raise ModelError(f"precision {precision}: expected one of {', '.join(PRECISIONS)}")
        if precision == "int8":
            if compiled:
                raise ModelError("precision int8: is not compiled; leave out one of both")
            network = with_int8_convolutions(network)
        self.config = network.config
        self._device_type = next(network.parameters()).device.type
        self._mixed = precision == "bfloat16"
        self._forward, self._remember = network, network.remember
        if compiled:
            self._forward = torch.compile(network, backend=backend)
            self._remember = torch.compile(network.remember, backend=backend)

    def __call__(
        self,
        noisy: Tensor,
        time: Tensor,
        volume: Tensor,
        positions: Tensor,
        scene: SceneMemory | None = None,
    ) -> tuple[Tensor, SceneMemory]:
        """See `VolumeSceneFlow.forward`; x0 is float32."""
        with self._autocast():
            x0, memory = self._forward(noisy, time, volume, positions, scene)
        return x0.float(), memory

    def remember(
        self, noisy: Tensor, time: Tensor, volume: Tensor, positions: Tensor
    ) -> SceneMemory:
        """See `VolumeSceneFlow.remember`."""
        with self._autocast():
            return self._remember(noisy, time, volume, positions)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device_type, torch.bfloat16, enabled=self._mixed)
