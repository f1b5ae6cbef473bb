"""The devices of a site, as the log has them: where they are, what hangs on them, whether they are there."""

from kaiser.roster.following import Roster, learnt, subjects_of
from kaiser.roster.member import STRANGER, Member, learn

__all__ = ("STRANGER", "Member", "Roster", "learn", "learnt", "subjects_of")
