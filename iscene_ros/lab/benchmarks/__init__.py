"""Time, memory and arithmetic of completions and of the node."""
