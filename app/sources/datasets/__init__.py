"""Published data sets: one file each says where it comes from and how its folder is laid out."""
