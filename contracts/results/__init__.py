"""What components write and readers read: one versioned, frozen model a file."""
