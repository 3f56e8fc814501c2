"""The worst completions, and why they are bad."""
