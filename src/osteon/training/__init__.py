"""Loop, losses, augmentation, bundles."""
