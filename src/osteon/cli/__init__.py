"""The command line: one module a verb. Only this layer reads the environment and sets up logging."""
