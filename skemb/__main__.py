"""``python -m skemb``."""

import sys

from skemb._command_line import main

if __name__ == "__main__":
    sys.exit(main())
