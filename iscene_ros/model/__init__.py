"""The scene-context flow transformer and what feeds it; torch alone."""
