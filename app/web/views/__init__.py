"""Pages and the HTML fragments that keep them current."""
