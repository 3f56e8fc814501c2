"""The shape models behind one protocol: iscene-mini and the released I-Scene."""
