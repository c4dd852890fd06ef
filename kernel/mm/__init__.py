"""Memory of a process: address spaces made of mappings (VMAs), filled on page faults."""
