"""Many jobs, one after the other or side by side: read from a table, done by processes, told in one report."""
