"""The laboratory's command line: one file a command, listed in `lab/__main__.py`."""
