"""The `iscene` command: one module per subcommand."""
