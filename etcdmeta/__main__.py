"""``python -m etcdmeta``: the same as the command ``etcdmeta``."""

import sys

from etcdmeta.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
