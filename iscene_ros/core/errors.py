"""The errors a caller can act on; each message names the input, the fault and the remedy."""


class InputError(ValueError):
    """An input is malformed: what was wrong, what was expected, what to do."""


class ModelError(RuntimeError):
    """A model or checkpoint cannot be used."""
