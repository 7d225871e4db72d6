"""What kinds of features whose values are images or texts bring: audit, stress, explanation."""
