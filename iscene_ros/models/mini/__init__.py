"""iscene-mini: a multi-scale regression from observation volumes to signed distances."""
