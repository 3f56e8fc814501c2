"""Tests share their machine with others, and a change is judged by the same cases each time.

HYPOTHESIS_PROFILE=explore looks for new ones.
"""

import os

from hypothesis import settings

from iscene_ros.waiting_threads import wait_passively

wait_passively()
settings.register_profile("same", derandomize=True)
settings.register_profile("explore", max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
