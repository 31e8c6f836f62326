"""Data folders that the embedded Redis cannot use."""

from pathlib import Path

import pytest
from bridgecore.errors import SettingsError
from bridgecore.running.embedded_redis import embedded_redis


@pytest.mark.parametrize(
    ("folder", "words"),
    [("/proc/nope", "cannot be created"), ("deep/" * 30, "too long for a socket")],
    ids=["nowhere", "too deep"],
)
def test_a_data_folder_that_cannot_be_is_a_line_and_no_traceback(folder, words):
    with pytest.raises(SettingsError, match=words):
        embedded_redis(Path(folder))
