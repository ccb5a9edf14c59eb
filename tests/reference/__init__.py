"""The API reference: built by pdoc from the docstrings, and looked over for broken links.

python -m tests.reference build/api
"""
