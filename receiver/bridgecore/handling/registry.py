"""The handlers, and which events each of them gets."""

import importlib
import inspect
import os
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar, get_args

from bridgecore.concurrency import run_async
from bridgecore.errors import SettingsError
from bridgecore.events import Event, Name

Function = Callable[[Event], object] | Callable[[Event], Awaitable[object]]
F = TypeVar("F", bound=Function)

ANY = "*"
_EVENTS = (ANY, *get_args(Name))
#: the characters of a model's name and of a pattern of `fnmatch`
_MODELS = re.compile(r"([A-Za-z0-9_.*?]|\[!?[A-Za-z0-9_.-]+\])+")


@dataclass(frozen=True, slots=True)
class Handler:
    """A function, and the events that it gets."""

    #: Redis remembers this name with an event when the function has succeeded. A function that was
    #: renamed may get an event again.
    name: str
    #: name, pattern or `*`
    model: str
    #: name or `*`
    event: str
    function: Function

    def matches(self, model: str, event: str) -> bool:
        """Return whether the function gets such events."""
        return self.event in (ANY, event) and fnmatchcase(model, self.model)

    def __call__(self, event: Event) -> None:
        """Call the function; if it is asynchronous, run it to its end."""
        result = self.function(event)
        # None is the usual result, and isawaitable is slow.
        if result is not None and inspect.isawaitable(result):
            run_async(result)


class Registry:
    """The handlers, in the order of their registration."""

    def __init__(self) -> None:
        self._handlers: list[Handler] = []
        self._matching: dict[tuple[str, str], list[Handler]] = {}

    def on(self, model: str = ANY, event: str = ANY) -> Callable[[F], F]:
        """Register the decorated function for a model and an event.

        Parameters:
            model: `"sale.order"`, a pattern such as `"sale.*"`, or `"*"`.
            event: `"create"`, `"write"`, `"unlink"` or `"*"`.

        The function gets the `Event`. If it raises an exception, it is called again later.

        Raises:
            TypeError, ValueError: no event would match, or the function cannot be called with one.
        """
        _check_selection(model, event)

        def register(function: F) -> F:
            _check_function(function)
            name = f"{function.__module__}.{function.__qualname__}"
            handler = Handler(name, model, event, function)
            if any(known.name == name and known.function is not function for known in self):
                raise ValueError(f"two handlers have the name {name}: rename one of them")
            self._handlers.append(handler)
            self._matching.clear()
            return function

        return register

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers)

    @property
    def problem(self) -> str | None:
        """Why no event has any effect although no setting is wrong; None if there are handlers."""
        if self._handlers:
            return None
        return (
            "No handler is registered: the receiver stores and confirms events and does nothing "
            "else. Name your modules in BRIDGECORE_HANDLERS (see docs/handlers.md)."
        )

    def matching(self, model: str, event: str) -> list[Handler]:
        """Return the handlers for this model and event, each function once."""
        found = self._matching.get((model, event))
        if found is None:
            names = {h.name: h for h in self._handlers if h.matches(model, event)}
            found = self._matching[model, event] = list(names.values())
        return found


def _check_selection(model: object, event: object) -> None:
    """Refuse a selection that would match no event, which nobody would notice."""
    if callable(model):
        raise TypeError("on needs parentheses: write @on() or @on('sale.order', 'write')")
    if not isinstance(model, str) or not _MODELS.fullmatch(model):
        raise ValueError(
            f"{model!r} is no model; write its technical name such as 'sale.order', "
            "or a pattern such as 'sale.*'"
        )
    if event not in _EVENTS:
        raise ValueError(f"{event!r} is no event; use one of {', '.join(_EVENTS)}")


def _check_function(function: Callable[..., object]) -> None:
    """Refuse a function that cannot be called with an event, or that would do nothing then."""
    name = getattr(function, "__qualname__", None)
    if name is None:
        raise TypeError(f"{function!r} has no name to remember its successes by; use a function")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{name} contains yield, so calling it would run no code; remove the yield")
    try:
        inspect.signature(function).bind(None)
    except ValueError:
        pass  # a built-in function without a known signature
    except TypeError as error:
        raise TypeError(
            f"{name} cannot be called with the event alone ({error}); give it one parameter"
        ) from None


#: the handlers of this process; modules of handlers register here
registry = Registry()
on = registry.on


def load_handlers(modules: Iterable[str]) -> Registry:
    """Import modules of handlers, also from the working directory; return all registered handlers.

    Raises:
        SettingsError: a module cannot be imported.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:
            raise SettingsError(
                f"BRIDGECORE_HANDLERS: {module} cannot be imported "
                f"({type(error).__name__}: {error})"
            ) from error
    return registry
