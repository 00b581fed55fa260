"""Durable work: what each kind of operation does, step by step.

records.py   an operation, its steps and lines, as everyone reads them
desk.py      start, list, resume: what the desk may do (enqueue and read)
journal.py   what the worker writes while it works
leases.py    whose turn it is at a service
kinds.py     every kind of operation and its steps, by name
engine.py    DBOS: runs the steps, each at least once, across kill -9
deploy.py update.py keys.py …   the steps themselves: each looks, acts, records
"""
