"""The system-call interface: number table, argument types, struct layouts, one family of calls a file."""
