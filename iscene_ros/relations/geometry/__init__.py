"""Bodies and surroundings in an upright frame: what relations are read from."""
