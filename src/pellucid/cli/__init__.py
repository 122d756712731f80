"""The command line: thin commands, each loaded only when it is called."""
