"""A network small enough for tests."""

from iscene_ros.model.config import MiniConfig, SceneFlowConfig

TINY = MiniConfig(
    resolution=16,
    grid_channels=8,
    encoder_layers=1,
    decoder_layers=1,
    flow=SceneFlowConfig(
        tokens_per_side=4,
        in_channels=16,
        out_channels=16,
        model_channels=24,
        num_blocks=3,
        num_heads=2,
        scene_context_blocks=1,
    ),
)
