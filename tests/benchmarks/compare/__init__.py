"""This library beside others at the same tasks, by ``python -m tests.benchmarks.compare``.

Each task is a module: crowd, processes, uploads, hosts, outages, cost. Its ``TASKS``, or its
``make_tasks()`` where ``--quick`` changes them, say what is asked and how one client is tried at
it, against a server of its own (stage.py); what came of it is an outcome, and the outcome's
``cell`` is the verdict. results.py says what a comparison is; page.py shows it on a terminal and
as Markdown, picture.py draws it.
"""
