# Shortcuts for people who work on tgid; `./check` and `./demo` are the same things with their own set-up.
PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)

.PHONY: test lint types guest bench clean

test:
	$(PYTHON) -m pytest -n 2

lint:
	$(PYTHON) -m ruff check .

types:
	$(PYTHON) -m mypy

guest:
	$(PYTHON) -m guest.build

# Prints the table of docs/performance.md, writes it there and as bench.json.
bench:
	$(PYTHON) -m bench --json bench.json --write docs/performance.md

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
