"""Tests share their machine with others, and a change is judged by the same cases each time.

HYPOTHESIS_PROFILE=explore looks for new ones.
"""

import os
import signal

from hypothesis import settings

# A shell that starts tests in the background has them ignore Ctrl-C, which some of them send.
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("same", derandomize=True)
settings.register_profile("explore", max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
