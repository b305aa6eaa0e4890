import pytest

from golden_files import VARIABLE, updating


def test_golden_files_are_never_rewritten_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("CI", "true")
    assert not updating()
    monkeypatch.setenv(VARIABLE, "1")
    with pytest.raises(pytest.fail.Exception, match="together with CI"):
        updating()
    monkeypatch.delenv("CI")
    assert updating()
