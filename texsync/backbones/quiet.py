"""Libraries beneath say nothing while they work for texsync."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module


@contextmanager
def quiet(*libraries: str):
    """No progress bars of other libraries (diffusers and transformers) while loading; put back as they were."""
    names = libraries or ("diffusers", "transformers")
    logs = [import_module(f"{name}.utils.logging") for name in names]
    before = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs]
    for log in logs:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log, (verbosity, shown) in zip(logs, before, strict=True):
            log.set_verbosity(verbosity)
            if shown:
                log.enable_progress_bar()
