"""Arrays and volumes: window, resample, crop; no torch."""
