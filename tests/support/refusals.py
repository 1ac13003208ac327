"""What tests ask of an error: its data, never its prose."""

from __future__ import annotations

import pytest

from texsync.errors import InputError


def refused(code: str, **data: object):
    """`pytest.raises` of an InputError with this code and, where given, this thing or value, told in one line."""

    def check(error: InputError) -> bool:
        found = {"code": error.code, **{name: getattr(error, name) for name in data}}
        assert found == {"code": code, **data} and "\n" not in error.line(), (found, error.line())
        return True

    return pytest.raises(InputError, check=check)
