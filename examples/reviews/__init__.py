"""Reviews of food: texts and whether they praise."""
