"""The five systems; the only place that knows all stages of one."""
