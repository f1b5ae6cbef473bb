"""``python -m kaiser.bridge``."""

from kaiser.bridge.main import main

if __name__ == "__main__":
    main()
