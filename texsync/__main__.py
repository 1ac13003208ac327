"""`python -m texsync` is `texsync`."""

from .cli import main

raise SystemExit(main())
