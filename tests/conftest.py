"""Puts this directory on the import path, so that tests in its folders find `requirements`.

pytest does so for the directory of every conftest.py. The manual's Python examples are run under
pytest-sphinx by test_manual.py, and so need no hooks here.
"""
