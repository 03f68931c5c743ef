"""One host's report, and what the reports of many hosts say together.

`report` looks at a host, and `matrix` joins reports by disk and host.
"""
