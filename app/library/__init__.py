"""What stands behind ``sample_images``: the list of the library, its folder, its place in the bucket."""
