"""What type checkers say of filters."""
