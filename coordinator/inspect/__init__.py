"""What lies in a store, looked at."""
