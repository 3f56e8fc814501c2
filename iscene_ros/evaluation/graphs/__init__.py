"""How well the scene graph is found."""
