"""What may be searched: domains, spaces and configurations. Imports neither torch, optuna nor ray."""
