"""What predictions are worth: fitted, and scored."""
