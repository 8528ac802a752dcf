"""The pages of the product as objects that act as a user does, for the tests in browsers and the gallery."""
