"""What is promised about speed, measured: one module a figure, each a ratio against something named, in one run.

A module has `main() -> list[Figure]`; `python -m benchmarks [NAME …]` runs all of them, or those named.
"""
