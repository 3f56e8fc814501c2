"""What is believed of a view, and where in it to look."""
