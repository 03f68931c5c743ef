"""One host's report, and what the reports of many hosts say together.

`report` looks at a host; `reading` takes reports that others sent, which may be damaged or hostile;
`matrix` joins them by disk and host, and `findings` is the table of what is looked for.
"""
