"""Which environment variables are settings, and their texts."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from bridgecore.errors import SettingsError

PREFIX = "BRIDGECORE_"
#: a variable with this ending names a file that holds the setting, as Docker's and Kubernetes'
#: secrets do
FILE = "_FILE"

#: What Kubernetes sets in every container for a service whose name begins with "bridgecore".
_SERVICE_LINK = re.compile(
    r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$"
)
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


def read_settings(environment: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """The texts of the settings that the environment sets. An empty one counts as not set.

    Parameters:
        known: names of the settings, in lower case and without prefix.

    Raises:
        SettingsError: a variable is no setting, or its file cannot be read.
    """
    names = {PREFIX + name.upper() for name in known}
    found: dict[str, str] = {}
    problems: list[str] = []
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or not text or _is_service_link(variable, text):
            continue
        name = variable if variable in names else variable.removesuffix(FILE)
        if name not in names:
            problems.append(f"{variable}: {_unknown(name, names)}")
            continue
        if name != variable:
            if environment.get(name):
                problems.append(f"{variable}: {name} is set, too; set one of them")
                continue
            try:
                text = Path(text).read_text("utf-8").strip()
            except (OSError, ValueError) as error:
                problems.append(f"{variable}: cannot be read ({type(error).__name__})")
                continue
        if text:
            found[name.removeprefix(PREFIX).lower()] = text
    if problems:
        raise SettingsError("\n".join(sorted(problems)))
    return found


def _is_service_link(variable: str, text: str) -> bool:
    if _SERVICE_LINK.search(variable):
        return True
    return variable.endswith("_PORT") and bool(_SERVICE_ADDRESS.match(text))


def _unknown(name: str, names: Iterable[str]) -> str:
    bare = [known.removeprefix(PREFIX) for known in names]
    close = get_close_matches(name.removeprefix(PREFIX).upper(), bare, n=1)
    advice = f"did you mean {PREFIX}{close[0]}?" if close else "docs/settings.md lists all"
    return f"there is no such setting; {advice}"
