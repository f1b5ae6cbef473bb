"""Idempotency keys: a request that is sent again gets the answer of the first time, on any gateway, after any restart.

Answers are kept in the key-value bucket that tickets are in, for a day, and sealed: some have a key or tokens in them,
which nobody who reads the log is to have. Why here and not in each aggregate: most writes say so themselves when they
come twice (``changed`` is false), or fail on the name that is taken, so what they lack is their first answer, which no
aggregate has. Commands are other: the actuator service has the key in the command's own event, which outlives the
bucket, and answers how the command is *now*; their requests pass through.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import nats.errors
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kaiser.contracts.codes import Code
from kaiser.contracts.refusals import Refusal
from kaiser.eventlog import EventLog, now_us
from kaiser.eventlog.kv import Entry, look, put_over
from kaiser.gateway.captured import Answer

log = structlog.get_logger(__name__)

BUCKET: Final = "gateway"
KEPT_S: Final = 86_400
ABANDONED_S: Final = 60
"""After so long without an answer the gateway that worked on it is gone, and whoever asks again is the first."""
WAIT_S: Final = 10.0
AGAIN_S: Final = 0.1
LONGEST_KEY: Final = 200
LARGEST_ANSWER: Final = 256 * 1024
"""Larger ones (trials of rules on the past) are not kept; such a request is worked on again."""

_NONCE: Final = 12
AWAY: Final = (nats.errors.Error, OSError, TimeoutError)


class _Kept(msgspec.Struct, frozen=True):
    """What is kept of a request.

    Attributes:
        request: Digest of the request that came first.
        at: When it came, unix microseconds.
        answer: None while it is worked on.
    """

    request: str
    at: int
    answer: Answer | None = None


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Kept).decode


class Repeats:
    """Remembers answers.

    Args:
        event_log: Where they are kept.
        secret: The same on every gateway; seals them.
    """

    def __init__(self, event_log: EventLog, secret: str) -> None:
        self._log = event_log
        self._cipher = AESGCM(hashlib.blake2b(secret.encode(), person=b"idempotency", digest_size=32).digest())

    async def answer(
        self, who: str, key: str, request: str, work: Callable[[], Awaitable[Answer]]
    ) -> tuple[Answer, bool]:
        """The answer of a request, and whether it is one of before.

        Args:
            who: Whose key it is; everybody has their own.
            key: As the client gave it.
            request: Digest of all that makes the request what it is.
            work: Works on it.

        Raises:
            Refusal: IDEMPOTENCY_CONFLICT, IDEMPOTENCY_UNDER_WAY, or INVALID_PAYLOAD_FORMAT for a key that is none.
            nats.errors.Error, OSError, TimeoutError: The log is away, and nothing was done.
        """
        if not 0 < len(key) <= LONGEST_KEY:
            raise Refusal(Code.INVALID_PAYLOAD_FORMAT, f"a key has 1 to {LONGEST_KEY} characters", "Idempotency-Key")
        name = f"idempotency.{request_digest(who.encode(), key.encode())}"
        begun = await self._begin(name, request)
        if isinstance(begun, Answer):
            return begun, True
        found: Answer | None = None
        try:
            found = await work()
        finally:
            try:
                await self._end(name, begun, request, found)
            except AWAY as error:  # who asks again within a minute is told that it is worked on
                log.warning("an answer is not kept for a repetition", reason=str(error))
        return found, False

    async def _begin(self, name: str, request: str) -> Answer | int:
        """The answer that there is, or the revision under which this one is to be worked on."""
        until = asyncio.get_running_loop().time() + WAIT_S
        while True:
            entry = await look(self._log, BUCKET, name)
            kept = self._opened(name, entry)
            if kept is None or (kept.answer is None and kept.at + ABANDONED_S * 1_000_000 < now_us()):
                sealed = self._sealed(name, _Kept(request, now_us()))
                revision = await put_over(self._log, BUCKET, name, sealed, ttl_s=KEPT_S, revision=entry.revision)
                if revision is not None:
                    return revision
                continue
            if kept.request != request:
                raise Refusal(Code.IDEMPOTENCY_CONFLICT, "this key was used for another request", "Idempotency-Key")
            if kept.answer is not None:
                return kept.answer
            if asyncio.get_running_loop().time() >= until:
                words = "the request with this key is being worked on; ask again"
                raise Refusal(Code.IDEMPOTENCY_UNDER_WAY, words, "Idempotency-Key")
            await asyncio.sleep(AGAIN_S)

    async def _end(self, name: str, revision: int, request: str, found: Answer | None) -> None:
        """Keep an answer; one that is none, as it was nobody's decision, leaves the key to the next one who asks."""
        decided = found is not None and _is_decided(found.status) and len(found.body) <= LARGEST_ANSWER
        value = self._sealed(name, _Kept(request, now_us(), found)) if decided else b""
        await put_over(self._log, BUCKET, name, value, ttl_s=KEPT_S if decided else 1, revision=revision)

    def _sealed(self, name: str, kept: _Kept) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, _encode(kept), name.encode())

    def _opened(self, name: str, entry: Entry) -> _Kept | None:
        if not entry.value:
            return None
        try:
            return _decode(self._cipher.decrypt(entry.value[:_NONCE], entry.value[_NONCE:], name.encode()))
        except InvalidTag:  # sealed with another secret: it was changed, which ends all sessions as well
            return None


def request_digest(*parts: bytes) -> str:
    """A digest of what makes a request what it is."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big"))
        whole.update(part)
    return whole.hexdigest()


def _is_decided(status: int) -> bool:
    """Whether an answer is the end of it: not who came too often, may not yet, or met somebody who is away."""
    return status < 500 and status not in {401, 403, 408, 429}
