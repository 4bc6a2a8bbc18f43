"""Where each tool comes from, one file a kind of source. `install.py` has the list."""
