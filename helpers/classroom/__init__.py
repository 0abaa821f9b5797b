"""What a teacher needs for a class."""
