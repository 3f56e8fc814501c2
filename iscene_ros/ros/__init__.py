"""The thin layer around the session: messages, the node, bags."""
