"""Reads which mirrors the machine's own apt is set up with, in both of apt's formats.

Standard library only: the bootstrap imports this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack import DevstackError

#: Suites that only add to a release: their packages are not the whole of Debian main.
_PARTIAL_SUITE = re.compile(r"-|/|^rc-buggy$|^experimental$")


@dataclass(frozen=True)
class AptSource:
    """One place that serves one suite of a Debian-like archive."""

    uri: str
    suite: str
    components: tuple[str, ...]
    #: Path of a keyring, or an armoured key itself (deb822 only), or nothing
    signed_by: str = ""

    def serves_debian_main(self) -> bool:
        return (
            "debian" in self.uri
            and "security" not in self.uri
            and "main" in self.components
            and not _PARTIAL_SUITE.search(self.suite)
        )


def parse_one_line(text: str) -> list[AptSource]:
    """Read the one-line format: `deb [option=value …] uri suite component …`."""
    sources = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^]]*)]\s+)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if match:
            pairs = (option.partition("=") for option in (match[1] or "").split())
            options = {name.lower(): value for name, _, value in pairs}
            sources.append(
                AptSource(match[2], match[3], tuple(match[4].split()), options.get("signed-by", ""))
            )
    return sources


def parse_deb822(text: str) -> list[AptSource]:
    """Read the deb822 format: paragraphs of `Field: value`, continued by indented lines."""
    sources = []
    without_comments = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for paragraph in re.split(r"\n[ \t]*\n", without_comments):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.splitlines():
            if line[:1].isspace():
                fields[name] = fields.get(name, "") + "\n" + line
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        if "deb" not in fields.get("types", "").split():
            continue
        sources += [
            AptSource(uri, suite, tuple(fields.get("components", "").split()),
                      fields.get("signed-by", ""))
            for uri in fields.get("uris", "").split()
            for suite in fields.get("suites", "").split()
        ]  # fmt: skip
    return sources


def debian_main(sources: Iterable[AptSource]) -> AptSource:
    """The source that serves Debian's main component, in the machine's own release."""
    for source in sources:
        if source.serves_debian_main():
            return source
    raise DevstackError(
        "No apt source of this machine serves Debian's main component. "
        "Set ODOO_PATH to a source tree of Odoo 19.0 instead."
    )


def machine_sources(etc: Path = Path("/etc/apt")) -> list[AptSource]:
    """All sources that this machine's apt is set up with."""
    sources: list[AptSource] = []
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if path.is_file() and path.suffix in (".list", ".sources"):
            parse = parse_deb822 if path.suffix == ".sources" else parse_one_line
            sources += parse(path.read_text(errors="replace"))
    return sources


def source_text(source: AptSource, suites: Sequence[str], architecture: str) -> str:
    """The private source file: the machine's mirror and key, but the suites asked for."""
    lines = ["Types: deb", f"URIs: {source.uri}", f"Suites: {' '.join(suites)}"]
    # One architecture only: a foreign one would double what is downloaded.
    lines += ["Components: main", f"Architectures: {architecture}"]
    if source.signed_by:
        lines.append(f"Signed-By: {source.signed_by}")
    return "\n".join(lines) + "\n"
