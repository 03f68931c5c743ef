"""The programs: argparse parsers and mains, one module a program or subcommand."""
