"""The phantom's lesions in a real scan: its bones as solids, its blur and noise measured, lesions composed into it."""
