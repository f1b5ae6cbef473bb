"""The devices of a site, as the log has them: where they are, what hangs on them, whether they are there."""

from kaiser.roster.following import Roster, learnt, subjects_of
from kaiser.roster.member import STRANGER, Member, learn
from kaiser.roster.past import MemberThen, member_at

__all__ = ("STRANGER", "Member", "MemberThen", "Roster", "learn", "learnt", "member_at", "subjects_of")
