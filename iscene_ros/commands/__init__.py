"""The subcommands of `iscene`."""
