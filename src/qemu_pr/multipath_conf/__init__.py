"""multipath.conf: read and written as multipath-tools read it, and checked for reservation keys.

`parser.parse` turns text into the sections of `model`, and `renderer.render` turns them back;
`configuration` tells which `reservation_key.ReservationKey` is in force for a map, `check` what is
wrong with that, and `wwids` which map a device belongs to.
"""
