"""``python -m kaiser.safety``."""

from kaiser.safety.main import serve
from kaiser.safety.settings import SafetySettings
from kaiser.service import run

if __name__ == "__main__":
    run("safety", SafetySettings, serve)
