"""The patient on a CT scanner: attenuation, protocol, noise, one scan with its truth."""
