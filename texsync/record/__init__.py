"""What a run leaves behind: a folder, all of it or nothing, and a record that lets the run be repeated."""
