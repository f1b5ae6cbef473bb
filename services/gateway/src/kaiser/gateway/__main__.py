"""``python -m kaiser.gateway``."""

from kaiser.gateway.main import main

if __name__ == "__main__":
    main()
