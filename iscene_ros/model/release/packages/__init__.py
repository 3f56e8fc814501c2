"""Published packages: from a folder, the hub or one converted file to networks with weights."""
