"""``python -m kaiser.actuator``."""

from kaiser.actuator.main import serve
from kaiser.actuator.settings import ActuatorSettings
from kaiser.service import run

if __name__ == "__main__":
    run("actuator", ActuatorSettings, serve)
