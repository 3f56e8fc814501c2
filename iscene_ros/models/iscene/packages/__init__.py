"""Reading the published packages of the released I-Scene."""
