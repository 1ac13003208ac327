"""`texsync worker`: jobs for another program, as JSON lines on stdin and stdout.  docs/worker.md has the protocol."""
