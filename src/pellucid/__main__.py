"""`python -m pellucid`: the command line."""

from pellucid.cli.main import main

main()
