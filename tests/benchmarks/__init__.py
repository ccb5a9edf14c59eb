"""Measurements, by one command: ``python -m tests.benchmarks [NAME ...] [--quick] [--json FILE]``.

Each subject is a module whose ``measure(quick=...)`` returns tables: hot_path, throughput, storm,
expiries, upload, imports, command_line, memory, threads. They measure with measuring.py (rounds in
which each takes its turn), over the clients of clients.py against a server in a process of its own
(server.py), and print nothing: table.py says what a table is and how it is shown. processes,
fleet and redis_fleet are commands of their own, which the command runs by name. compare, too, is a
command of its own: the same tasks given to each client, with a verdict.
"""
