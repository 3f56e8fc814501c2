"""Which relations hold, and how certain they are."""
