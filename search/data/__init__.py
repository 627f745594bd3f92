"""Reading, auditing and splitting of segmentation data, and the generated demo set. Imports no torch."""
