"""Variables of the environment are settings, other programs' variables, or mistakes."""

import pytest
from bridgecore.config.environment import read_settings
from bridgecore.errors import SettingsError

KNOWN = ["port", "pull_interval", "admin_token", "host"]


def read(**variables: str) -> dict[str, str]:
    return read_settings({f"BRIDGECORE_{name}": text for name, text in variables.items()}, KNOWN)


def test_variables_without_the_prefix_are_not_ours():
    assert read_settings({"PORT": "1", "XBRIDGECORE_PORT": "1"}, KNOWN) == {}


def test_empty_ones_are_as_good_as_none():
    assert read(PORT="", UNKNOWN="") == {}


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("PULL_INTERVALL", "did you mean BRIDGECORE_PULL_INTERVAL?"),
        ("port", "did you mean BRIDGECORE_PORT?"),
        ("COFFEE", "docs/settings.md"),
        ("COFFEE_FILE", "docs/settings.md"),
    ],
)
def test_unknown_ones_are_refused_with_advice(name, advice):
    with pytest.raises(SettingsError, match=rf"^BRIDGECORE_{name}: there is no such setting") as e:
        read(**{name: "secret-value"})
    assert advice in str(e.value)
    assert "secret-value" not in str(e.value)


def test_one_error_names_all_mistakes():
    with pytest.raises(SettingsError) as error:
        read(COFFEE="1", TEA="1")
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "tcp://10.0.0.1:8000"),
        ("PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("PORT_8000_TCP_PORT", "8000"),
        ("PORT_8000_TCP_PROTO", "tcp"),
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT", "8000"),
        ("SERVICE_PORT_HTTP", "8000"),
        ("API_SERVICE_HOST", "10.0.0.1"),
        ("API_PORT", "udp://10.0.0.1:53"),
        ("REDIS_PORT_6379_TCP_ADDR", "10.0.0.1"),
    ],
)
def test_service_links_of_kubernetes_are_passed_over(name, value):
    assert read(**{name: value}) == {}


def test_a_port_is_still_a_setting():
    assert read(PORT="8000") == {"port": "8000"}


def test_a_setting_from_a_file(tmp_path):
    file = tmp_path / "token"
    file.write_text("admin-token\n")
    assert read(ADMIN_TOKEN_FILE=str(file)) == {"admin_token": "admin-token"}


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(
        SettingsError, match=r"^BRIDGECORE_ADMIN_TOKEN_FILE: the file cannot be read"
    ):
        read(ADMIN_TOKEN_FILE=str(tmp_path / "missing"))


def test_a_setting_and_its_file(tmp_path):
    with pytest.raises(SettingsError, match="BRIDGECORE_ADMIN_TOKEN is set, too"):
        read(ADMIN_TOKEN_FILE=str(tmp_path / "token"), ADMIN_TOKEN="x")
