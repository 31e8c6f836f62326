"""What a person sees: steps that tick while they run, lines that stay readable when piped.

Standard library only: the bootstrap imports this module.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: Colours and cursor movement only where somebody looks.
TTY = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
COLOUR = TTY and "NO_COLOR" not in os.environ

#: Piped output gets a sign of life this often during a long step (seconds).
_PIPED_SIGN_OF_LIFE = 20

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_lock = threading.RLock()
_running: list[Step] = []


def styled(text: str, *styles: str) -> str:
    """The text in the given styles, or as it is where nobody could see them."""
    if not COLOUR or not styles:
        return text
    return f"\033[{';'.join(_STYLES[style] for style in styles)}m{text}\033[0m"


def say(text: str = "") -> None:
    """Print one line, above the step that is running."""
    with _lock:
        _erase()
        print(text, flush=True)


def _erase() -> None:
    if TTY and _running:
        print("\r\033[K", end="", flush=True)


class Step:
    """A piece of work that takes time. `note` says what it is at, or what came out of it."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.note = ""
        self.started = time.monotonic()
        self.finished = threading.Event()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def text(self, mark: str, elapsed: str) -> str:
        note = styled(f"  {self.note}", "dim") if self.note else ""
        return f"{mark} {self.title}{note}  {styled(elapsed, 'dim')}"

    def tick(self) -> None:
        """Show that it is still going on; runs in a thread of its own."""
        frames = "|/-\\"
        turn = 0
        shown = 0.0
        while not self.finished.wait(0.15 if TTY else 1):
            with _lock:
                if self.finished.is_set() or _running[-1:] != [self]:
                    continue
                if TTY:
                    mark = styled(frames[turn % len(frames)], "cyan")
                    print(f"\r\033[K{self.text(mark, f'{self.seconds:.0f} s')}", end="", flush=True)
                    turn += 1
                elif not shown or self.seconds - shown >= _PIPED_SIGN_OF_LIFE:
                    print(self.text("…", f"{self.seconds:.0f} s" if shown else ""), flush=True)
                    shown = self.seconds


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Show a step while the block runs, and how it ended."""
    current = Step(title)
    with _lock:
        _running.append(current)
    ticker = threading.Thread(target=current.tick, daemon=True)
    ticker.start()
    mark = styled("✗", "red")
    try:
        yield current
        mark = styled("✓", "green")
    finally:
        current.finished.set()
        with _lock:
            _erase()
            _running.remove(current)
            print(current.text(mark, f"{current.seconds:.1f} s"), flush=True)
        ticker.join()
