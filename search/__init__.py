"""The search: data, training of one trial, tuning over many, and the commands (`python -m search.NAME`)."""
