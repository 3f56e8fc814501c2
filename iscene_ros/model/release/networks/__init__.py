"""The networks of the published model; their state dicts have the published names and shapes."""
