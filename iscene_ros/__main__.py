"""`python -m iscene_ros` is the `iscene` command."""

import sys

from iscene_ros.cli.main import main

sys.exit(main())
