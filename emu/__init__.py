"""The machine: processor (Unicorn), physical frames, page tables, clock.  It knows nothing of Linux."""
