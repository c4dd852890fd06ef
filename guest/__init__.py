"""C programs that run inside the machine, and natively beside it: conformance scenarios, lessons and benchmarks.

``guest.catalog`` lists them, ``guest.build`` compiles them on demand into a cache directory.
"""
