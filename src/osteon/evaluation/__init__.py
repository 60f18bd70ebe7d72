"""Pure statistics: numpy and scipy in, value with interval out. No torch, no I/O."""
