"""Sockets: address families, their protocols, and the network namespaces they live in."""
