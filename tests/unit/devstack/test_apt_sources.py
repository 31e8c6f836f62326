"""Which Debian mirror the machine's own apt configuration names."""

from pathlib import Path

import pytest

from devstack import DevstackError
from devstack.apt_sources import (
    AptSource,
    debian_main,
    machine_sources,
    parse_deb822,
    parse_one_line,
    source_text,
)

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "deb http://mirror.test/debian trixie main",
            [AptSource("http://mirror.test/debian", "trixie", ("main",))],
        ),
        (
            f"deb [arch=amd64 signed-by={KEYRING}] http://m.test/debian trixie main non-free # c",
            [AptSource("http://m.test/debian", "trixie", ("main", "non-free"), KEYRING)],
        ),
        ("# deb http://mirror.test/debian trixie main", []),
        ("deb-src http://mirror.test/debian trixie main", []),
        ("", []),
    ],
)
def test_one_line_format(line: str, expected: list[AptSource]) -> None:
    assert parse_one_line(line) == expected


def test_deb822_format_lists_every_uri_with_every_suite() -> None:
    text = f"""\
# The comment that image builders leave
Types: deb deb-src
URIs: http://one.test/debian
  http://two.test/debian
Suites: trixie trixie-updates
Components: main
Signed-By: {KEYRING}

Types: deb
Enabled: no
URIs: http://off.test/debian
Suites: trixie
Components: main

Types: deb-src
URIs: http://source.test/debian
Suites: trixie
Components: main
"""
    assert [(source.uri, source.suite) for source in parse_deb822(text)] == [
        ("http://one.test/debian", "trixie"),
        ("http://one.test/debian", "trixie-updates"),
        ("http://two.test/debian", "trixie"),
        ("http://two.test/debian", "trixie-updates"),
    ]


def test_a_key_inside_the_source_survives() -> None:
    key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----"
    paragraph = "Types: deb\nURIs: http://m.test/debian\nSuites: sid\nComponents: main\n"
    [source] = parse_deb822(f"{paragraph}Signed-By:{key}\n")
    assert source.signed_by == key
    [again] = parse_deb822(source_text(source, ["sid"], "amd64"))
    assert again == source


@pytest.mark.parametrize(
    "other",
    [
        AptSource("http://mirror.test/debian-security", "trixie-security", ("main",)),
        AptSource("http://mirror.test/debian", "trixie-updates", ("main",)),
        AptSource("http://mirror.test/debian", "trixie-backports", ("main",)),
        AptSource("http://mirror.test/debian", "experimental", ("main",)),
        AptSource("http://mirror.test/debian", "trixie", ("contrib",)),
        AptSource("http://packages.test/node", "nodistro", ("main",)),
    ],
)
def test_only_a_whole_release_of_debian_main_will_do(other: AptSource) -> None:
    wanted = AptSource("mirror+file:/etc/apt/mirrors/debian.list", "trixie", ("main",))
    assert debian_main([other, wanted]) == wanted
    with pytest.raises(DevstackError, match="ODOO_PATH"):
        debian_main([other])


def test_both_formats_are_read_and_disabled_files_are_not(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.test/debian sid main\n")
    (parts / "b.sources").write_text(
        "Types: deb\nURIs: http://b.test/debian\nSuites: sid\nComponents: main\n"
    )
    (parts / "c.list.disabled").write_text("deb http://c.test/debian sid main\n")
    assert [source.uri for source in machine_sources(tmp_path)] == [
        "http://a.test/debian",
        "http://b.test/debian",
    ]
