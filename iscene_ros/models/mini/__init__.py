"""iscene-mini: signed distances in one crop per instance, conditioned on depth."""
