"""A subcommand run with a completer of the test's own."""

import argparse

from fake_completer import FakeCompleter

from iscene_ros.cli.completion_run import LoadCompleter
from iscene_ros.cli.main import exit_code
from iscene_ros.models.model_config import ModelConfig


def run_with(command: object, argv: list[str], load_completer: LoadCompleter) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return exit_code(lambda: command.run(parser.parse_args(argv), load_completer))


def no_completer(choice: ModelConfig) -> FakeCompleter:
    raise AssertionError("bad input must be found before a model is loaded")
