"""``python -m kaiser.logic``."""

from kaiser.logic.main import serve
from kaiser.logic.settings import LogicSettings
from kaiser.service import run

if __name__ == "__main__":
    run("logic", LogicSettings, serve)
