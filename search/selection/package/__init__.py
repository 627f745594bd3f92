"""The answer as a folder of files that needs neither the study nor this tool."""
