"""Linux in Python: processes, threads, signals, memory and files over a machine it knows only by protocol."""
