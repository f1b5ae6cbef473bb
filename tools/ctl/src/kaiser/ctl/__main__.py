"""``python -m kaiser.ctl``, which is what ``kaiserctl`` runs."""

from kaiser.ctl.main import main

if __name__ == "__main__":
    main()
