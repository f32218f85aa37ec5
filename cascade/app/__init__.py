"""For people: the command line and the demo. Nothing imports this."""
