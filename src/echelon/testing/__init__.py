"""What it takes to try Echelon where the real thing is too slow, too dear or too far."""
