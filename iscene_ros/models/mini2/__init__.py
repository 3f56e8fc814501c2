"""iscene-mini 2: a multi-scale regression from fine observation volumes to signed distances."""
