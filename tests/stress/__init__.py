"""Long explorations, as commands: soak, kills. The suite runs short forms of them."""
