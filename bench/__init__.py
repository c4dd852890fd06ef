"""Benchmarks: what the machine costs, next to what the same programs cost natively and under its peers, in one run."""
