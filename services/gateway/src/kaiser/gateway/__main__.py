"""``python -m kaiser.gateway``, and ``python -m kaiser.gateway audit``."""

import sys

from kaiser.gateway.audit.verifying import verify
from kaiser.gateway.main import main

if __name__ == "__main__":
    if sys.argv[1:2] == ["audit"]:
        sys.exit(verify(sys.argv[2:]))
    main()
