"""Evaluation of completions, relations and registration against exact truth."""
