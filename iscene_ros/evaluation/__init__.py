"""How good the completions are, beside simple ones, and how long they take."""
