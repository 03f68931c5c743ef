"""What a host tells of itself in /proc, /sys, /dev and udev's files; no disk is asked.

All of it can be another directory's than this host's: a rescue system's, a container's, a test's.
"""
