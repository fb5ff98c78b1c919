"""The reactor for tests of real sockets."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def reactor() -> Any:
    """The reactor that runs the tests."""
    from twisted.internet import reactor as installed

    return installed
