"""What the dashboard shows of a study beyond what its search has stored: notes, figures, attributes, marks."""
