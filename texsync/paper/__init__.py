"""The tables of SyncSDE's and SyncDiffusion's papers, run again: declared as data, done as jobs, measured, printed."""
