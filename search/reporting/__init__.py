"""The report: a study as one page that anyone can read, without a connection."""
