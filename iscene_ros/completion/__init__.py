"""Completion of all objects of an observation: the library's main entry point."""
