"""A person picks a pod: cloud, region, GPU, count, image, network volume, hours. What flags say is not asked."""
