"""The networks of the released I-Scene, with the keys of its published weights."""
