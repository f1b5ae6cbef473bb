"""Metrics: one registry a service, with the process's own, and buckets that fit latencies of this suite."""

from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

LATENCY_BUCKETS_S: Final = (
    0.0005,
    0.001,
    0.002,
    0.003,
    0.005,
    0.0075,
    0.01,
    0.015,
    0.02,
    0.03,
    0.05,
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    30.0,
    60.0,
)
"""Half a millisecond to a minute."""


def new_registry() -> CollectorRegistry:
    """A registry with the process's CPU, memory and file descriptors."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry) -> tuple[str, bytes]:
    """Content type and text of ``/metrics``."""
    return CONTENT_TYPE_LATEST, generate_latest(registry)
