"""Other people's folders as cohorts: one module a format, each with one function of the same arguments."""
