"""The command that prints what is wrong."""


def test_the_doctor(parts, run, monkeypatch):
    monkeypatch.setattr("bridgecore.watching.doctor._WORKER_TIMEOUT", 0.1)
    output = run("doctor", code=1)
    assert "ok       redis: version" in output
    assert "ERROR    workers: No worker serves" in output
