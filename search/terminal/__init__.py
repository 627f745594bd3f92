"""What a search looks like in a terminal: live where there is one, plain lines where there is none."""
