"""How far a stream is known, and who waits for more of it."""

import asyncio


class Position:
    """How far a stream is known, and who waits for more of it."""

    def __init__(self) -> None:
        self.seq = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def advance(self, seq: int) -> None:
        """Everything up to a sequence is known."""
        self.seq = max(self.seq, seq)
        if self._waiting:
            for wanted, future in self._waiting:
                if wanted <= self.seq and not future.done():
                    future.set_result(None)
            self._waiting = [(wanted, future) for wanted, future in self._waiting if not future.done()]

    async def reach(self, seq: int) -> None:
        """Return when everything up to a sequence is known."""
        if seq > self.seq:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((seq, future))
            await future
