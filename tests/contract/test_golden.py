"""The golden corpus: what was ever released is there, stays as it is, and is read with its values."""

import subprocess
from pathlib import Path

import pytest

from kaiser.contracts import golden
from kaiser.contracts.events.catalogue import CATALOGUE
from kaiser.contracts.events.codec import UPCASTERS

CONTRACTS = Path(__file__).parents[2] / "contracts"
STRUCTS = {event.name: event.body for event in CATALOGUE}


def test_every_released_event_has_golden_bytes_which_are_read_with_their_values() -> None:
    released = frozenset(path.stem for path in CONTRACTS.glob("released/*/*.json"))
    corpus = golden.read(CONTRACTS)
    assert list(golden.faults(corpus, STRUCTS, UPCASTERS, golden.read_upcast(CONTRACTS), released)) == []
    assert len(corpus) >= len(released) > 100


def test_golden_bytes_were_only_ever_appended() -> None:
    """As far as the history of this clone goes; where it is shallow, the digests in the lines are what there is."""
    commits = _git("log", "--format=%H", "--", f"contracts/{golden.FOLDER}").split()
    for commit in commits:
        for path in _git("ls-tree", "-r", "--name-only", commit, f"contracts/{golden.FOLDER}").splitlines():
            then = _git("show", f"{commit}:{path}")
            now = CONTRACTS.parent / path
            assert now.exists(), f"{path} was there in {commit[:9]} and is gone"
            assert now.read_text().startswith(then), f"{path} is not what it was in {commit[:9]}, with lines appended"


def _git(*arguments: str) -> str:
    if not (CONTRACTS.parent / ".git").exists():
        pytest.skip("this copy of the sources has no history")
    answer = subprocess.run(["git", *arguments], cwd=CONTRACTS.parent, capture_output=True, check=True)
    return answer.stdout.decode()
