"""The virtual file system: mounts, path walk, open files, and the file systems behind them."""
