"""``python -m kaiser.ingest``."""

from kaiser.ingest.main import serve
from kaiser.ingest.settings import IngestSettings
from kaiser.service import run

if __name__ == "__main__":
    run("ingest", IngestSettings, serve)
