"""What leaves the house: pictures made from originals after a profile, checked, named, packed."""
