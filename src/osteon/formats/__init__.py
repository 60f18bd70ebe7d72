"""Other people's files: NIfTI, LabelMe, COCO."""
