"""Finds the settings among the environment variables, and reads their texts."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from bridgecore.errors import SettingsError

PREFIX = "BRIDGECORE_"
#: A variable with this ending names a file that holds the setting's text. Docker and Kubernetes
#: hand out secrets as such files.
FILE_SUFFIX = "_FILE"

#: Kubernetes sets such variables in every container for a service whose name begins with
#: "bridgecore". They are no settings.
_SERVICE_LINK = re.compile(
    r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$"
)
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


def read_settings(environment: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """Return the texts of the settings that the environment sets, by the settings' names.

    An empty variable counts as not set.

    Parameters:
        known: the names of all settings, in lower case and without the prefix.

    Raises:
        SettingsError: a variable is no setting, or its file cannot be read.
    """
    names = {PREFIX + name.upper() for name in known}
    texts: dict[str, str] = {}
    problems: list[str] = []
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or not text or _is_service_link(variable, text):
            continue
        name = variable if variable in names else variable.removesuffix(FILE_SUFFIX)
        if name not in names:
            problems.append(f"{variable}: {_unknown_setting(name, names)}")
            continue
        if name != variable:
            if environment.get(name):
                problems.append(f"{variable}: {name} is set, too; set only one of the two")
                continue
            try:
                text = Path(text).read_text("utf-8").strip()
            except (OSError, ValueError) as error:
                problems.append(
                    f"{variable}: the file cannot be read ({type(error).__name__}); it must be a "
                    "UTF-8 text that this user may read"
                )
                continue
        if text:
            texts[name.removeprefix(PREFIX).lower()] = text
    if problems:
        raise SettingsError("\n".join(sorted(problems)))
    return texts


def _is_service_link(variable: str, text: str) -> bool:
    if _SERVICE_LINK.search(variable):
        return True
    return variable.endswith("_PORT") and bool(_SERVICE_ADDRESS.match(text))


def _unknown_setting(name: str, names: Iterable[str]) -> str:
    bare = [known.removeprefix(PREFIX) for known in names]
    close = get_close_matches(name.removeprefix(PREFIX).upper(), bare, n=1)
    advice = f"did you mean {PREFIX}{close[0]}?" if close else "docs/settings.md lists all"
    return f"there is no such setting; {advice}"
