"""System V interprocess communication (svipc(7))."""
