"""SCSI as data: commands, parameter lists and data, transport IDs, status and sense; no I/O."""
