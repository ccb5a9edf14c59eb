"""Long explorations, as commands: soak and kills. The suite runs short forms of them."""
