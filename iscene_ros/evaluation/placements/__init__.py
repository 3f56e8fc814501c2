"""How well shapes of unknown scale are placed."""
