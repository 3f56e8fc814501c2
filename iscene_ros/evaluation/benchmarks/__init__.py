"""Time, memory and arithmetic of completions."""
