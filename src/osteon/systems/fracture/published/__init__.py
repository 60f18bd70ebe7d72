"""The fracture study's result section, made again."""
